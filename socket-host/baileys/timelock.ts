import type { ConnectionState, WASocket } from '@whiskeysockets/baileys';
import { after } from '../../lib/runtime/clock.ts';

type State = NonNullable<ConnectionState['reachoutTimeLock']>;

/** So long the answer is waited for; the account sends nothing meanwhile. */
const answerMs = 10_000;

/** Until when WhatsApp refuses an account's first contacts, as it answers and as it tells unasked. */
export class Timelock {
  private readonly changed: (refusedUntil: number | undefined) => void;
  private asking = 0;
  /** What has come while a question of ours is open. Baileys tells the answer like what comes unasked. */
  private meanwhile: State[] = [];

  /** `told` hears what comes unasked: until when (epoch ms), NaN where no time is named, undefined for no longer. */
  constructor(changed: Timelock['changed']) {
    this.changed = changed;
  }

  take(state: State | undefined): void {
    if (state === undefined) return;
    if (this.asking > 0) this.meanwhile.push(state);
    else this.changed(state.isActive === true ? (endOf(state) ?? Number.NaN) : undefined);
  }

  /**
   * The end (epoch ms); undefined where WhatsApp names none, or does not answer in time. An end that is named later is told like what comes
   * unasked; a late answer without one changes nothing. Never rejects.
   */
  async ask(sock: Pick<WASocket, 'fetchAccountReachoutTimelock'>): Promise<number | undefined> {
    let late = false;
    this.asking += 1;
    const answered = sock.fetchAccountReachoutTimelock().then(
      (answer) => {
        const end = endOf(answer);
        this.answered(answer);
        if (late && end !== undefined) this.changed(end);
        return end;
      },
      () => this.answered(undefined),
    );
    const over = Promise.withResolvers<undefined>();
    const cancel = after(answerMs, () => {
      late = true;
      over.resolve(undefined);
    });
    try {
      return await Promise.race([answered, over.promise]);
    } finally {
      cancel();
    }
  }

  /** Takes what came meanwhile and is not the answer. */
  private answered(answer: State | undefined): undefined {
    this.asking -= 1;
    for (const state of this.meanwhile.splice(0)) if (state !== answer) this.take(state);
  }
}

function endOf({ isActive, timeEnforcementEnds }: State): number | undefined {
  const endsAt = isActive === true ? timeEnforcementEnds?.getTime() : undefined;
  return endsAt !== undefined && Number.isFinite(endsAt) ? endsAt : undefined;
}

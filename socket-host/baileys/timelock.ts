import type { ConnectionState, WASocket } from '@whiskeysockets/baileys';
import { after } from '../../lib/runtime/clock.ts';

type State = NonNullable<ConnectionState['reachoutTimeLock']>;

/** The longest wait for the answer. The account sends nothing meanwhile. */
const answerMs = 10_000;

/** Learns until when WhatsApp refuses first contacts of an account, by its answers and by its notices. */
export class Timelock {
  private readonly changed: (refusedUntil: number | undefined) => void;
  private asking = 0;
  /** The states that came while a question is open. Baileys reports the answer in the same way as a notice. */
  private meanwhile: State[] = [];

  /** `changed` is called with each notice: until when (epoch ms), NaN where no time is named, undefined when first contacts are taken again. */
  constructor(changed: Timelock['changed']) {
    this.changed = changed;
  }

  take(state: State | undefined): void {
    if (state === undefined) return;
    if (this.asking > 0) this.meanwhile.push(state);
    else this.changed(state.isActive === true ? (endOf(state) ?? Number.NaN) : undefined);
  }

  /**
   * Asks WhatsApp. Resolves with the end (epoch ms); undefined where WhatsApp names none, or does not answer in time. A late answer with an end is
   * reported like a notice; one without an end changes nothing. Never rejects.
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

  /** Reports the states that came meanwhile and are not the answer. */
  private answered(answer: State | undefined): undefined {
    this.asking -= 1;
    for (const state of this.meanwhile.splice(0)) if (state !== answer) this.take(state);
  }
}

function endOf({ isActive, timeEnforcementEnds }: State): number | undefined {
  const endsAt = isActive === true ? timeEnforcementEnds?.getTime() : undefined;
  return endsAt !== undefined && Number.isFinite(endsAt) ? endsAt : undefined;
}

import type { ConnectionState, WASocket } from '@whiskeysockets/baileys';

type State = NonNullable<ConnectionState['reachoutTimeLock']>;

/** So long the answer is waited for; the account sends nothing meanwhile. */
const answerMs = 10_000;

/** Until when WhatsApp refuses an account's first contacts, as it answers and as it tells unasked. */
export class Timelock {
  private readonly told: (refusedUntil: number | undefined) => void;
  /** Baileys tells the answer to our own question like what comes unasked. */
  private asking = false;

  /** `told` hears what comes unasked: until when (epoch ms), undefined for no longer. */
  constructor(told: Timelock['told']) {
    this.told = told;
  }

  take(state: State | undefined): void {
    if (state !== undefined && !this.asking) this.told(endOf(state));
  }

  /** The end (epoch ms); undefined where WhatsApp names none, or does not answer in time. Never rejects. */
  async ask(sock: WASocket): Promise<number | undefined> {
    this.asking = true;
    const late = Promise.withResolvers<undefined>();
    const timer = setTimeout(() => late.resolve(undefined), answerMs);
    try {
      const answer = await Promise.race([sock.fetchAccountReachoutTimelock(), late.promise]);
      return answer === undefined ? undefined : endOf(answer);
    } catch {
      return undefined;
    } finally {
      clearTimeout(timer);
      this.asking = false;
    }
  }
}

function endOf({ isActive, timeEnforcementEnds }: State): number | undefined {
  const endsAt = isActive === true ? timeEnforcementEnds?.getTime() : undefined;
  return endsAt !== undefined && Number.isFinite(endsAt) ? endsAt : undefined;
}

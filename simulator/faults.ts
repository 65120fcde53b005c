/** All faults. Drop, close, ban, noise, timelock and renew-registration act at once; the others wait for the next message, login or code. */
export const FAULT_KINDS = [
  'drop',
  'close',
  'withhold-ack',
  'delay-ack',
  'error-ack',
  'refuse-login',
  'ban',
  'noise',
  'refuse-code',
  'renew-registration',
  'timelock',
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

/** A fault as ordered. Without an account it concerns all accounts. */
export type FaultOrder = {
  readonly account?: string | undefined;
  readonly kind: FaultKind;
  readonly code?: number | undefined;
  readonly count?: number | undefined;
  readonly ms?: number | undefined;
};

/** A fault that waits for the next message, login or code. */
export type ArmedFault = { readonly order: FaultOrder; left: number };

/** The armed faults, in the order of arrival, and the timelocks. */
export class Faults {
  #armed: ArmedFault[] = [];
  /** The end (epoch ms) of each ban on messages to strangers, by account; the key undefined stands for all accounts. */
  #timelocks = new Map<string | undefined, number>();

  /** Arms a fault for the next `count` (1) messages, logins or codes. */
  arm(order: FaultOrder): void {
    this.#armed.push({ order, left: order.count ?? 1 });
  }

  /** Returns the first armed fault of these kinds that concerns the account, and counts one use of it. */
  take(account: string, ...kinds: FaultKind[]): FaultOrder | undefined {
    const fault = this.#armed.find(
      ({ order }) => kinds.includes(order.kind) && (order.account === undefined || order.account === account),
    );
    if (!fault) return undefined;
    fault.left -= 1;
    if (fault.left <= 0) this.#armed = this.#armed.filter((other) => other !== fault);
    return fault.order;
  }

  /** Forbids the account to write to strangers until `untilMs`, from now on. */
  lock(account: string | undefined, untilMs: number): void {
    this.#timelocks.set(account, untilMs);
  }

  /** Returns the time (epoch ms) until which the account may not write to strangers; 0 without a timelock. Its own timelock overrides one for all. */
  lockedUntil(account: string): number {
    return this.#timelocks.get(account) ?? this.#timelocks.get(undefined) ?? 0;
  }

  /** Forgets all armed faults and timelocks. */
  clear(): void {
    this.#armed = [];
    this.#timelocks.clear();
  }
}

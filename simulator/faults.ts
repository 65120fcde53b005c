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

/** A fault as ordered; without an account it concerns all of them. */
export type FaultOrder = {
  readonly account?: string | undefined;
  readonly kind: FaultKind;
  readonly code?: number | undefined;
  readonly count?: number | undefined;
  readonly ms?: number | undefined;
};

/** A fault that waits for its occasion. */
export type ArmedFault = { readonly order: FaultOrder; left: number };

/** The faults that wait for the next message or login, in the order they came. */
export class Faults {
  #armed: ArmedFault[] = [];
  /** By account, undefined for all: until when (ms since 1970) it may not write to strangers. */
  #timelocks = new Map<string | undefined, number>();

  /** Arms a fault for the next `count` (1) occasions. */
  arm(order: FaultOrder): void {
    this.#armed.push({ order, left: order.count ?? 1 });
  }

  /** Takes one occasion of the first armed fault of these kinds that concerns the account. */
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

  /** Until when (ms since 1970) the account may not write to strangers, as it was last ordered; 0 if never. */
  lockedUntil(account: string): number {
    return this.#timelocks.get(account) ?? this.#timelocks.get(undefined) ?? 0;
  }

  /** Forgets all armed faults and timelocks. */
  clear(): void {
    this.#armed = [];
    this.#timelocks.clear();
  }
}

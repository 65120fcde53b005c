/** What can be made to go wrong; drop, close, ban and noise happen at once, the others to what comes next. */
export const FAULT_KINDS = [
  'drop',
  'close',
  'withhold-ack',
  'delay-ack',
  'error-ack',
  'refuse-login',
  'ban',
  'noise',
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

  /** Forgets all armed faults. */
  clear(): void {
    this.#armed = [];
  }
}

/** Messages of one contract on one account by their present state; `backlog` counts those that are PENDING again. */
export interface Counter {
  sent: number;
  delivered: number;
  read: number;
  failed: number;
  canceled: number;
  suppressed: number;
  expired: number;
  backlog: number;
}

export const emptyCounter: Readonly<Counter> = Object.freeze({
  sent: 0,
  delivered: 0,
  read: 0,
  failed: 0,
  canceled: 0,
  suppressed: 0,
  expired: 0,
  backlog: 0,
});

/** Messages of the counter that are final. */
export function finalCount(counter: Counter): number {
  const { sent, delivered, read, failed, canceled, suppressed, expired } = counter;
  return sent + delivered + read + failed + canceled + suppressed + expired;
}

/** The sum of two counters, or of a counter and a delta (`counterDelta`); for contracts on several accounts. */
export function addCounter(counter: Readonly<Counter>, other: Partial<Counter>): Counter {
  return {
    sent: counter.sent + (other.sent ?? 0),
    delivered: counter.delivered + (other.delivered ?? 0),
    read: counter.read + (other.read ?? 0),
    failed: counter.failed + (other.failed ?? 0),
    canceled: counter.canceled + (other.canceled ?? 0),
    suppressed: counter.suppressed + (other.suppressed ?? 0),
    expired: counter.expired + (other.expired ?? 0),
    backlog: counter.backlog + (other.backlog ?? 0),
  };
}

import type { Table } from '../aws/client/table.ts';
import type { Clock } from '../runtime/clock.ts';
import type { SentMessages } from './sent-messages.ts';

/** Dependencies of the send core. */
export interface SendingDeps {
  table: Table;
  clock: Clock;
  /** Returns a number in [0, 1). */
  random(): number;
  /** Returns a string that is unique to one claim. */
  nonce(): string;
  /** `valid` returns true while this process may act. It is called before every effect. */
  lease: { valid(): boolean };
  logger: { info(fields: object, text: string): void };
  counts: SendingCounts;
  sent: SentMessages;
}

/** The events of the send core that a host counts in its metrics. */
export interface SendingCounts {
  /** The result of the claim of one message. */
  claim(result: 'claimed' | 'stale' | 'suppressed' | 'stopped' | 'paused' | 'fenced'): void;
  send(outcome: 'sent' | 'retry' | 'failed' | 'unanswered' | 'not_sent'): void;
  /** The server's answer to a send, and how long after the send it came. No code: accepted. */
  ack(code: number | undefined, afterMs: number): void;
  /** Time from accepting the order to the ack of its message. */
  acceptToAck(ms: number): void;
  /** A message was given up because hosts died while it was in hand. */
  poisoned(): void;
}

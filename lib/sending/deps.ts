import type { Table } from '../aws/client/table.ts';
import type { Clock } from '../runtime/clock.ts';
import type { SentMessages } from './sent-messages.ts';

/** What the send core needs of the process that it runs in. */
export interface SendingDeps {
  table: Table;
  clock: Clock;
  /** Returns a number in [0, 1). */
  random(): number;
  /** Returns a string that is unique to one claim. */
  nonce(): string;
  /** Whether this process may still act; asked before every effect. */
  lease: { valid(): boolean };
  logger: { info(fields: object, text: string): void };
  counts: SendingCounts;
  sent: SentMessages;
}

/** The events of the send core that a host counts in its metrics. */
export interface SendingCounts {
  /** What became of the claim of one message. */
  claim(result: 'claimed' | 'stale' | 'suppressed' | 'stopped' | 'fenced'): void;
  send(outcome: 'sent' | 'retry' | 'failed' | 'unanswered' | 'not_sent'): void;
  /** The server's answer, and how long after the send it came. No code: accepted. */
  ack(code: number | undefined, afterMs: number): void;
  /** From accepting an order to the ack that took its message. */
  acceptToAck(ms: number): void;
  /** A message was given up because hosts died over it. */
  poisoned(): void;
}

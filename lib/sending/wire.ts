import type { Content } from '../domain/content.ts';

/** A message as a transport gets it. `id` is Paceline's (`msg_..`), `to` digits. */
export interface Outgoing {
  id: string;
  to: string;
  content: Content;
  /** Ask for the recipient's devices anew. */
  refreshDevices?: boolean;
  onWire?(): void;
}

/**
 * The server's definite answer to a send: no code means accepted. `withheld`: the message never left, because the account refused it at the
 * last moment. `sentTo`: the number (digits) that the message went to, where WhatsApp knows the recipient by another than the one given.
 */
export interface Ack {
  code?: number;
  withheld?: true;
  sentTo?: string;
}

/** Rejection of `Wire.send`: nothing left this process. */
export class NotSent extends Error {
  override name = 'NotSent';
}

/** Rejection of `Wire.send`: the message may have left, and no answer came. */
export class Unanswered extends Error {
  override name = 'Unanswered';
}

/** What the send core needs of a transport. */
export interface Wire {
  /**
   * Sends the message and resolves with the server's answer, which it awaits for at most `ackTimeoutMs`. Calls `onWire` when the message has
   * gone. Rejects with NotSent or Unanswered.
   */
  send(message: Outgoing, ackTimeoutMs: number): Promise<Ack>;
  /** Returns whether the number is on WhatsApp; undefined when the server did not say. */
  lookup(to: string): Promise<boolean | undefined>;
}

import type { Content } from '../domain/content.ts';

/** A message as a transport gets it. `id` is Paceline's (`msg_..`), `to` digits. */
export interface Outgoing {
  id: string;
  to: string;
  content: Content;
  /** True: ask the server for the recipient's devices again. */
  refreshDevices?: boolean;
  /** Called when the message has been sent. */
  onWire?(): void;
}

/**
 * The server's definite answer to a send. No code means accepted. `withheld`: the message was not sent, because its recipient turned out to
 * have opted out. `sentTo`: the number (digits) to which the message went, if WhatsApp knows the recipient by another number than the given one.
 */
export interface Ack {
  code?: number;
  withheld?: true;
  sentTo?: string;
}

/** Rejection of `Wire.send`: the message has not left this process. */
export class NotSent extends Error {
  override name = 'NotSent';
}

/** Rejection of `Wire.send`: the message may have left, and no answer came. */
export class Unanswered extends Error {
  override name = 'Unanswered';
}

/** The part of a transport that the send core uses. */
export interface Wire {
  /**
   * Sends the message and returns the server's answer, for which it waits at most `ackTimeoutMs`. Calls `onWire` when the message has been
   * sent. Rejects with NotSent or Unanswered.
   */
  send(message: Outgoing, ackTimeoutMs: number): Promise<Ack>;
  /** Returns whether the number is on WhatsApp; undefined when the server did not say. */
  lookup(to: string): Promise<boolean | undefined>;
}

import type { BinaryNode } from '@whiskeysockets/baileys';
import { after, yieldToOthers } from '../../lib/runtime/clock.ts';
import { mutex } from '../../lib/runtime/mutex.ts';

/** The longest time Baileys may take for one message without progress: twice the limit of a query of its own. */
const stuckMs = 60_000;

/**
 * The messages of one connection, handled in the order in which they came, waiting or live: a START must not pass a STOP.
 *
 *   taken -> when it is first: handled by Baileys -> done
 *                              no progress for a minute -> `stuck`, which ends the connection
 *
 * The part of Paceline (`own`: decrypting, storing) is not timed here, because the table and S3 have limits of their own.
 */
export class StanzaQueue {
  private readonly locked = mutex();
  private readonly stuck: (stanza: BinaryNode) => void;
  private current: BinaryNode | undefined;
  private cancelWatch: () => void = () => {};
  private ended = false;

  constructor(stuck: (stanza: BinaryNode) => void) {
    this.stuck = stuck;
  }

  /** Resolves when the message is handled, or dropped because the connection has ended. Rejects when `handle` fails. */
  async take(stanza: BinaryNode, handle: () => Promise<void>): Promise<void> {
    await this.locked(async () => {
      if (this.ended) return;
      this.current = stanza;
      this.watch();
      try {
        await handle();
      } finally {
        this.cancelWatch();
        this.current = undefined;
      }
      // Thousands of messages without any I/O would keep the other accounts of the host waiting.
      await yieldToOthers();
    });
  }

  /** Runs Paceline's own part of handling the present message, without the time limit. */
  async own<T>(work: () => Promise<T>): Promise<T> {
    this.cancelWatch();
    try {
      return await work();
    } finally {
      this.watch();
    }
  }

  /** Call this when the connection has ended. Messages that still wait come again on the next one. */
  end(): void {
    this.ended = true;
    this.cancelWatch();
  }

  private watch(): void {
    const stanza = this.current;
    this.cancelWatch();
    if (stanza === undefined || this.ended) return;
    this.cancelWatch = after(stuckMs, () => this.stuck(stanza));
  }
}

import type { BinaryNode } from '@whiskeysockets/baileys';
import { after, yieldToOthers } from '../../lib/runtime/clock.ts';
import { turns } from '../../lib/runtime/turns.ts';

/** The longest time Baileys may take for one message without progress: twice the limit of a query of its own. */
const stuckMs = 60_000;

/**
 * The messages of one connection. Each is handled after the one that came before it, waiting or live: a START must not go past a STOP.
 *
 *   taken -> in its turn: handled by Baileys -> done
 *                         no progress for a minute -> `stuck`, which ends the connection
 *
 * Our own part (`own`: decrypting, storing) is not timed here, because the table and S3 have limits of their own.
 */
export class MessageLine {
  private readonly turn = turns();
  private readonly stuck: (stanza: BinaryNode) => void;
  private current: BinaryNode | undefined;
  private cancelWatch: () => void = () => {};
  private ended = false;

  constructor(stuck: (stanza: BinaryNode) => void) {
    this.stuck = stuck;
  }

  /** Resolves when the message is dealt with, whatever came of it, or is left because the connection has ended. */
  async take(stanza: BinaryNode, handle: () => Promise<void>): Promise<void> {
    await this.turn(async () => {
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

  /** Our own part of handling the present message. */
  async own<T>(work: () => Promise<T>): Promise<T> {
    this.cancelWatch();
    try {
      return await work();
    } finally {
      this.watch();
    }
  }

  /** The connection has ended: what is still in the line comes again on the next one. */
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

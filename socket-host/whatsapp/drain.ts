import { Backlog } from './backlog.ts';

/** Without a marker from the server, this long after the last waiting stanza everything is taken to have come. */
const quietMs = 5000;
/** A message that never reaches decryption (it was malformed) must not hold up sending for longer than this after the marker. */
const stuckMs = 10_000;

/**
 * Tells once when everything that waited at the server has been handled: the session is open, the server has sent its marker (or has
 * been quiet), and every waiting ciphertext has been dealt with.
 */
export class Drain {
  /** Outlives the drain, which does not wait for a long queue. */
  private readonly backlog = new Backlog();
  private readonly ciphertexts = new Set<Uint8Array>();
  private readonly drained: () => void;
  private opened = false;
  private marked = false;
  private done = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(drained: () => void) {
    this.drained = drained;
  }

  /** A stanza that had waited; `ciphertexts` are those of ours to decrypt. */
  arrived(ciphertexts: Uint8Array[]): void {
    this.backlog.arrived(ciphertexts);
    if (this.done) return;
    for (const ciphertext of ciphertexts) this.ciphertexts.add(ciphertext);
    if (this.opened && !this.marked) this.wait(quietMs, () => this.mark());
  }

  handled(ciphertext: Uint8Array): void {
    this.backlog.handled(ciphertext);
    if (this.ciphertexts.delete(ciphertext)) this.check();
  }

  open(): void {
    this.opened = true;
    if (!this.marked) this.wait(quietMs, () => this.mark());
    this.check();
  }

  /** The server says that nothing waits any more. */
  mark(): void {
    if (this.marked) return;
    this.marked = true;
    this.wait(stuckMs, () => {
      this.ciphertexts.clear();
      this.check();
    });
    this.check();
  }

  /** Resolves when no message that had waited is left, or the session has ended. */
  passed(): Promise<void> {
    return this.backlog.passed();
  }

  /** The session has ended. */
  end(): void {
    this.over();
    this.backlog.end();
  }

  private over(): void {
    this.done = true;
    clearTimeout(this.timer);
  }

  private wait(ms: number, then: () => void): void {
    if (this.done) return;
    clearTimeout(this.timer);
    this.timer = setTimeout(then, ms);
  }

  private check(): void {
    if (this.done || !this.opened || !this.marked || this.ciphertexts.size > 0) return;
    this.over();
    this.drained();
  }
}

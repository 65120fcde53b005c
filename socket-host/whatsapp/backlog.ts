/** One that never reaches decryption (it was malformed) holds up what comes now for so long after the last that did. */
const stuckMs = 10_000;

/** Messages that had waited at the server and are not dealt with yet: what people write now comes behind them. */
export class Backlog {
  private readonly open = new Set<Uint8Array>();
  private through = Promise.withResolvers<void>();
  private timer: NodeJS.Timeout | undefined;

  arrived(ciphertexts: Uint8Array[]): void {
    if (ciphertexts.length === 0) return;
    for (const ciphertext of ciphertexts) this.open.add(ciphertext);
    this.patient();
  }

  handled(ciphertext: Uint8Array): void {
    if (!this.open.delete(ciphertext)) return;
    if (this.open.size === 0) this.end();
    else this.patient();
  }

  /** Resolves when none is left, or the session has ended. */
  async passed(): Promise<void> {
    if (this.open.size > 0) await this.through.promise;
  }

  end(): void {
    clearTimeout(this.timer);
    this.open.clear();
    this.through.resolve();
    this.through = Promise.withResolvers<void>();
  }

  private patient(): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.end(), stuckMs);
  }
}

const width = 40;
/** Minimum time between two lines when the output is not a terminal. */
const lineEveryMs = 3_000;

/** A progress bar that is redrawn in place on a terminal. Elsewhere it prints a line every few seconds. */
export class ProgressBar {
  private readonly out: NodeJS.WriteStream;
  private readonly total: number;
  private readonly startedMs = performance.now();
  private lastLineMs = Number.NEGATIVE_INFINITY;
  private last = '';

  constructor(out: NodeJS.WriteStream, total: number) {
    this.out = out;
    this.total = total;
  }

  show(done: number, failed: number): void {
    const full = Math.round((done / this.total) * width);
    const perSec = done / Math.max(0.001, (performance.now() - this.startedMs) / 1000);
    this.last = `  [${'#'.repeat(full)}${'.'.repeat(width - full)}] ${done}/${this.total}  failed ${failed}  ${perSec.toFixed(0)}/s`;
    if (this.out.isTTY) this.out.write(`\r${this.last}   `);
    else if (performance.now() - this.lastLineMs > lineEveryMs) {
      this.lastLineMs = performance.now();
      this.out.write(`${this.last}\n`);
    }
  }

  end(): void {
    this.out.write(this.out.isTTY ? '\n' : `${this.last}\n`);
  }
}

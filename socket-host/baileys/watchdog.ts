/** Ends what does not go on: Baileys does not notice every connection attempt that hangs, in spite of its timeouts. */
export class Watchdog {
  private readonly limitMs: number;
  private readonly bark: (stage: string) => void;
  private timer: NodeJS.Timeout | undefined;

  constructor(limitMs: number, bark: (stage: string) => void) {
    this.limitMs = limitMs;
    this.bark = bark;
  }

  /** The stage has as long as every stage, from now. */
  expect(stage: string): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.bark(stage), this.limitMs);
  }

  stop(): void {
    clearTimeout(this.timer);
  }
}

import { after } from '../../lib/runtime/clock.ts';

/** Ends what does not go on: Baileys does not notice every connection attempt that hangs, in spite of its timeouts. */
export class Watchdog {
  private readonly limitMs: number;
  private readonly bark: (stage: string) => void;
  private cancel: () => void = () => {};

  constructor(limitMs: number, bark: (stage: string) => void) {
    this.limitMs = limitMs;
    this.bark = bark;
  }

  /** The stage has as long as every stage, from now. */
  expect(stage: string): void {
    this.cancel();
    this.cancel = after(this.limitMs, () => this.bark(stage));
  }

  stop(): void {
    this.cancel();
  }
}

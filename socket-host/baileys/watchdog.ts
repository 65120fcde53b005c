import { after } from '../../lib/runtime/clock.ts';

/** Ends an attempt to connect that makes no progress: Baileys does not notice every one that hangs, in spite of its timeouts. */
export class Watchdog {
  private readonly limitMs: number;
  private readonly bark: (stage: string) => void;
  private cancel: () => void = () => {};

  constructor(limitMs: number, bark: (stage: string) => void) {
    this.limitMs = limitMs;
    this.bark = bark;
  }

  /** Begins a stage, which has the same limit as every stage. */
  expect(stage: string): void {
    this.cancel();
    this.cancel = after(this.limitMs, () => this.bark(stage));
  }

  stop(): void {
    this.cancel();
  }
}

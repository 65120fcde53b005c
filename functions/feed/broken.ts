import type { Contract } from '../../lib/domain/contracts/contract.ts';

/** Contracts that could not be served, with the first thing that went wrong in each. */
export class Broken {
  private readonly errors = new Map<string, unknown>();

  /** Does a step for the contract; what it throws is kept. */
  async keep(contract: Contract, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      if (!this.errors.has(contract.id)) this.errors.set(contract.id, error);
    }
  }

  /** Whether any contract could not be served. */
  get some(): boolean {
    return this.errors.size > 0;
  }

  /** Returns those that could be served so far. */
  without<T extends Contract>(contracts: T[]): T[] {
    return contracts.filter(({ id }) => !this.errors.has(id));
  }

  /** Throws when there are any. */
  tell(): void {
    if (this.errors.size === 0) return;
    const [cause] = this.errors.values();
    throw new Error(`Some contracts could not be fed: ${[...this.errors.keys()].join(', ')}.`, { cause });
  }
}

import type { Contract } from '../../lib/domain/contracts/contract.ts';

/** Contracts that could not be served, each with its first error. */
export class Broken {
  private readonly errors = new Map<string, unknown>();

  /** Runs a step for the contract. Keeps an error of the step instead of throwing it. */
  async keep(contract: Contract, step: () => Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      if (!this.errors.has(contract.id)) this.errors.set(contract.id, error);
    }
  }

  /** True when a contract could not be served. */
  get some(): boolean {
    return this.errors.size > 0;
  }

  /** Returns the contracts that could be served so far. */
  without<T extends Contract>(contracts: T[]): T[] {
    return contracts.filter(({ id }) => !this.errors.has(id));
  }

  /** Throws one error that names all of them, if there are any. Its cause is the first error. */
  throwFirst(): void {
    if (this.errors.size === 0) return;
    const [cause] = this.errors.values();
    throw new Error(`Some contracts could not be fed: ${[...this.errors.keys()].join(', ')}.`, { cause });
  }
}

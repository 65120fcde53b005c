/** Ends the wait for work that does not notice the end of its connection: Baileys' queries hang until they time out. */
export class Interrupts {
  private readonly waiting = new Set<() => void>();

  /** Resolves with the result of the work. Rejects when the connection ends first. */
  orEnd<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const over = () => reject(new Error('the connection has ended'));
      this.waiting.add(over);
      work.then(resolve, reject).finally(() => this.waiting.delete(over));
    });
  }

  end(): void {
    for (const over of this.waiting) over();
  }
}

import { randomBytes, randomUUID } from 'node:crypto';

/** The source of randomness. Tests pass their own; production uses `systemRandom`. */
export interface Random {
  /** Returns a number in [0, 1). */
  number(): number;
  /** Returns cryptographically random bytes. */
  bytes(count: number): Buffer;
  /** Returns an id that is unique on all machines. */
  uniqueId(): string;
}

export const systemRandom: Random = {
  number: () => Math.random(),
  bytes: (count) => randomBytes(count),
  uniqueId: () => randomUUID(),
};

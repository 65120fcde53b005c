import { randomBytes, randomUUID } from 'node:crypto';

/** Randomness as the product sees it. Tests give their own; production uses `systemRandom`. */
export interface Random {
  /** In [0, 1). */
  number(): number;
  /** Bytes that nobody can guess. */
  bytes(count: number): Buffer;
  /** An id that no other call returns, on any machine. */
  uniqueId(): string;
}

export const systemRandom: Random = {
  number: () => Math.random(),
  bytes: (count) => randomBytes(count),
  uniqueId: () => randomUUID(),
};

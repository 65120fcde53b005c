/** Random choices that one number determines. */
export interface Seeded {
  /** In [0, 1). */
  next(): number;
  /** A whole number from `from` to `to`, both included. */
  whole(from: number, to: number): number;
  pick<T>(list: readonly T[]): T;
  /** Up to `count` different ones, in random order. */
  sample<T>(list: readonly T[], count: number): T[];
  /** Another stream of its own, so that one user's draws do not move another's. */
  fork(name: string): Seeded;
}

/** Mulberry32: 32 bits of state, good enough to choose faults. */
export function seeded(seed: number): Seeded {
  let state = seed >>> 0;
  const random: Seeded = {
    next() {
      state = (state + 0x6d2b79f5) >>> 0;
      let mixed = Math.imul(state ^ (state >>> 15), state | 1);
      mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
      return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    },
    whole: (from, to) => from + Math.floor(random.next() * (to - from + 1)),
    pick(list) {
      const found = list[random.whole(0, list.length - 1)];
      if (found === undefined) throw new Error('There is nothing to choose from.');
      return found;
    },
    sample(list, count) {
      const left = [...list];
      const taken: typeof left = [];
      while (taken.length < count && left.length > 0) taken.push(...left.splice(random.whole(0, left.length - 1), 1));
      return taken;
    },
    fork(name) {
      let mixed = seed >>> 0;
      for (const character of name) mixed = Math.imul(mixed ^ character.charCodeAt(0), 0x01000193) >>> 0;
      return seeded(mixed);
    },
  };
  return random;
}

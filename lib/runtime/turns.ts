export type TakeTurn = <T>(work: () => Promise<T>) => Promise<T>;

/** One piece of work at a time, in the order asked for; a failure does not stop those behind it. */
export function turns(): TakeTurn {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
  };
}

/** As `turns`, with up to `count` pieces of work at a time. */
export function turnsAbreast(count: number): TakeTurn {
  const waiting: (() => void)[] = [];
  let free = count;
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}

/** Takes a turn unless the signal fires before it has come: undefined then, at once. Work that has begun goes on. */
export function turnUnless<T>(take: TakeTurn, signal: AbortSignal, work: () => Promise<T>): Promise<T | undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    const leave = () => resolve(undefined);
    signal.addEventListener('abort', leave, { once: true });
    take(async () => {
      signal.removeEventListener('abort', leave);
      return signal.aborted ? undefined : await work();
    }).then(resolve, reject);
  });
}

/** One piece of work at a time for each key; keys nobody uses are forgotten. */
export function turnsByKey(): <T>(key: string, work: () => Promise<T>) => Promise<T> {
  const lasts = new Map<string, Promise<unknown>>();
  return (key, work) => {
    const result = (lasts.get(key) ?? Promise.resolve()).then(work);
    const settled = result
      .catch(() => {})
      .finally(() => {
        if (lasts.get(key) === settled) lasts.delete(key);
      });
    lasts.set(key, settled);
    return result;
  };
}

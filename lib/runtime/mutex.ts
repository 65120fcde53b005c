/** Runs the work when it may, and resolves with its result or rejects with its error. */
export type RunExclusive = <T>(work: () => Promise<T>) => Promise<T>;

/** Returns a mutex: it runs one piece of work at a time, in the order of the calls. A failure does not stop the later ones. */
export function mutex(): RunExclusive {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work);
    last = result.catch(() => {});
    return result;
  };
}

/** Returns a semaphore: as `mutex`, with up to `count` pieces of work at a time. */
export function semaphore(count: number): RunExclusive {
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

/** Runs the work with `run`. Resolves with undefined as soon as the signal fires before the work begins. Work that has begun is not stopped. */
export function exclusiveUnless<T>(
  run: RunExclusive,
  signal: AbortSignal,
  work: () => Promise<T>,
): Promise<T | undefined> {
  if (signal.aborted) return Promise.resolve(undefined);
  return new Promise((resolve, reject) => {
    const leave = () => resolve(undefined);
    signal.addEventListener('abort', leave, { once: true });
    run(async () => {
      signal.removeEventListener('abort', leave);
      return signal.aborted ? undefined : await work();
    }).then(resolve, reject);
  });
}

/** Returns a mutex for each key. Keys without work are forgotten. */
export function keyedMutex(): <T>(key: string, work: () => Promise<T>) => Promise<T> {
  const lasts = new Map<string, Promise<unknown>>();
  return (key, work) => {
    const result = (lasts.get(key) ?? Promise.resolve()).then(work);
    const ended = result
      .catch(() => {})
      .finally(() => {
        if (lasts.get(key) === ended) lasts.delete(key);
      });
    lasts.set(key, ended);
    return result;
  };
}

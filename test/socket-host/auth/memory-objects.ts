import type { ObjectStore } from '../../../lib/aws/client/objects.ts';

/** A bucket in memory with true create-only semantics; `before` and `after` of a create can be replaced to inject faults. */
export interface MemoryObjects extends ObjectStore {
  readonly objects: Map<string, Uint8Array>;
  creates: string[];
  gets: string[];
  /** Awaited before the object is stored; a rejection means it never was. */
  before: (key: string) => Promise<void>;
  /** Awaited after the object is stored; a rejection means the answer was lost. */
  after: (key: string) => Promise<void>;
}

export function memoryObjects(): MemoryObjects {
  const objects = new Map<string, Uint8Array>();
  const store: MemoryObjects = {
    objects,
    creates: [],
    gets: [],
    before: async () => {},
    after: async () => {},
    async create(key, body) {
      await store.before(key);
      store.creates.push(key);
      if (objects.has(key)) return 'exists';
      objects.set(key, Uint8Array.from(body));
      await store.after(key);
      return 'created';
    },
    async put(key, body) {
      objects.set(key, Uint8Array.from(body));
    },
    async get(key) {
      store.gets.push(key);
      await new Promise((resolve) => setImmediate(resolve));
      return objects.get(key);
    },
    async list(prefix, startAfter) {
      const keys = [...objects.keys()].filter((key) => key.startsWith(prefix) && (!startAfter || key > startAfter));
      return keys.sort();
    },
    async remove(keys) {
      for (const key of keys) objects.delete(key);
    },
  };
  return store;
}

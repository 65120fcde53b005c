import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { importsOf, nameOf, root, sources } from './sources.ts';

/** The modules that start something, with the layers whose tests may reach them through their imports. */
const startedIn: Record<string, string[]> = {
  'test/harness/emulators.ts': ['store', 'host', 'system'],
  'socket-host/host/host.ts': ['host', 'system'],
  'simulator/server.ts': ['host', 'system'],
  'local/stack.ts': ['system'],
  'lib/infra/app.ts': ['system'],
};

/** Returns the layer that the name of a test file says. */
const layerOf = (name: string): string => /\.(store|host|system)\.test\.ts$/.exec(name)?.[1] ?? 'unit';

/** Adds all that a file loads, directly and through what it loads, to `found`. */
function load(name: string, found: Set<string>): Set<string> {
  for (const { target, typeOnly } of importsOf(join(root, name))) {
    if (typeOnly || found.has(target) || !existsSync(join(root, target)) || !target.endsWith('.ts')) continue;
    found.add(target);
    load(target, found);
  }
  return found;
}

describe('a test file', () => {
  it('is named for the layer that it needs', () => {
    const found = sources('test')
      .map(nameOf)
      .filter((name) => name.endsWith('.test.ts'))
      .flatMap((name) => {
        const loaded = load(name, new Set());
        return Object.entries(startedIn)
          .filter(([module, layers]) => loaded.has(module) && !layers.includes(layerOf(name)))
          .map(([module, layers]) => `${name} loads ${module}: name it .${layers[0]}.test.ts`);
      });
    expect(found).toEqual([]);
  });
});

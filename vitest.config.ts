import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/harness/longest-first.ts';

/**
 * The layers of tests. The end of the file name says the layer: `x.test.ts` needs nothing, `x.store.test.ts` the emulators of AWS,
 * `x.host.test.ts` a whole host or simulator in this process, `x.system.test.ts` processes of its own or a synthesis. test/layout.test.ts and
 * test/harness/layer.ts check it.
 */
const layer = (name: 'store' | 'host' | 'system') => ({ name, include: [`test/**/*.${name}.test.ts`] });

export default defineConfig({
  test: {
    pool: 'forks',
    // Most tests wait for something: with three workers a machine with two cores is idle for a third of the time, with four for a fifth.
    // Five save 20 s there, but tests of times fail on a busy machine.
    maxWorkers: 4,
    // Generous: a test that hangs takes its time, a test that passes never depends on it.
    hookTimeout: 180_000,
    setupFiles: ['test/harness/layer.ts'],
    sequence: { sequencer: LongestFirst },
    reporters: ['default', './test/closing-line.ts'],
    // `isolate: false`: the files that a worker serves share what it has loaded. Loading the SDKs, Baileys or the CDK takes longer than most tests.
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.{store,host,system}.test.ts'],
          testTimeout: 120_000,
          isolate: false,
        },
      },
      { extends: true, test: { ...layer('store'), testTimeout: 120_000, isolate: false } },
      { extends: true, test: { ...layer('host'), testTimeout: 180_000, isolate: false } },
      { extends: true, test: { ...layer('system'), exclude: ['test/infra/**'], testTimeout: 300_000 } },
      {
        extends: true,
        test: { name: 'infra', include: ['test/infra/**/*.system.test.ts'], testTimeout: 300_000, isolate: false },
      },
    ],
    coverage: {
      provider: 'v8',
      include: ['lib/**/*.ts', 'functions/**/*.ts', 'socket-host/**/*.ts'],
      exclude: ['socket-host/main.ts'],
      reporter: ['text-summary', 'json-summary'],
      thresholds: { lines: 80 },
    },
  },
});

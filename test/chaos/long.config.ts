import { defineConfig } from 'vitest/config';

/** `npm run chaos:long`: what takes too long for every test run. Hosts are frozen for a minute. */
export default defineConfig({
  test: {
    include: ['test/chaos/*.long.ts', 'test/chaos/freeze.system.test.ts'],
    env: { FREEZE_SEC: '60' },
    testTimeout: 30_000,
    hookTimeout: 60_000,
    pool: 'forks',
    maxWorkers: 1,
    reporters: ['default', './test/closing-line.ts'],
  },
});

import { expect, it } from 'vitest';
import { codeOf, nameOf, productLayers, sources } from './sources.ts';

/** Ways to read a clock, to wait or to roll dice. lib/runtime gives them, so that tests can replace them. */
const forbidden = new RegExp(
  [
    String.raw`\bDate\.now\b`,
    String.raw`\bnew Date\(\)`,
    String.raw`\bperformance\.now\b`,
    String.raw`\bMath\.random\b`,
    String.raw`\b(?:setTimeout|setInterval|setImmediate)\(`,
    String.raw`\bnode:timers`,
    String.raw`\brandomUUID\b`,
    String.raw`import \{[^}]*\brandomBytes\b[^}]*\} from 'node:crypto'`,
  ].join('|'),
);

/** Files that still do. The list only shrinks. */
const known: ReadonlySet<string> = new Set([
  'socket-host/auth/journal.ts',
  'socket-host/baileys/acks.ts',
  'socket-host/baileys/drain.ts',
  'socket-host/baileys/link-codes.ts',
  'socket-host/baileys/message-line.ts',
  'socket-host/baileys/session.ts',
  'socket-host/baileys/socket.ts',
  'socket-host/baileys/timelock.ts',
  'socket-host/baileys/watchdog.ts',
  'socket-host/host/host.ts',
  'socket-host/main.ts',
]);

it('time and randomness come from lib/runtime', () => {
  const found = productLayers
    .flatMap(sources)
    .filter((file) => !nameOf(file).startsWith('lib/runtime/') && forbidden.test(codeOf(file)))
    .map(nameOf);
  expect(found.filter((name) => !known.has(name))).toEqual([]);
});

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

it('time and randomness come from lib/runtime', () => {
  const found = productLayers
    .flatMap(sources)
    .filter((file) => !nameOf(file).startsWith('lib/runtime/') && forbidden.test(codeOf(file)))
    .map(nameOf);
  expect(found).toEqual([]);
});

import { parseArgs } from 'node:util';
import { type ChaosReport, runChaos } from './chaos.ts';
import { dealAll } from './dealer.ts';

/**
 * `node test/chaos/run.ts [--seed S] [--seconds N]`: one long run, with the seed it printed to be repeated. Things break for 70 % of the time;
 * the rest, and at least two minutes, is for everything to become final. Ends with `CHAOS PASSED seed=S` and 0, or `CHAOS FAILED seed=S` and 1.
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1_000_000)) },
    seconds: { type: 'string', default: '600' },
    accounts: { type: 'string', default: '60' },
  },
});
const seed = wholeNumber('seed', values.seed);
const seconds = wholeNumber('seconds', values.seconds);
const accounts = wholeNumber('accounts', values.accounts);
const breakMs = seconds * 700;
const finishWithinMs = Math.max(120_000, seconds * 500);
/** Starting, linking, reading everything back. */
const besidesMs = 300_000;

console.log(`CHAOS seed=${seed} seconds=${seconds} accounts=${accounts}`);
const deadline = setTimeout(
  () => {
    console.log(`CHAOS FAILED seed=${seed}: not over in time`);
    process.exit(1);
  },
  breakMs + 2 * finishWithinMs + besidesMs,
);
const report = await runChaos({
  seed,
  hosts: 3,
  accounts,
  paced: Math.min(3, accounts - 1),
  phones: 50,
  contracts: accounts,
  rows: 50,
  atLeastOpen: 5,
  spreadMs: breakMs,
  finishWithinMs,
  keepFailed: true,
  say: (line) => console.log(line),
  breakThings: (can, begin, random) => dealAll(can, begin, random, breakMs),
}).catch((error: unknown) => {
  console.log(`CHAOS FAILED seed=${seed}: ${error instanceof Error ? (error.stack ?? error.message) : error}`);
  process.exit(1);
});
clearTimeout(deadline);
print(report);
const passed = report.failures.length === 0;
console.log(`CHAOS ${passed ? 'PASSED' : 'FAILED'} seed=${seed}`);
process.exitCode = passed ? 0 : 1;

function print({ failures, findings, done, recoveries, requests }: ChaosReport): void {
  console.log('\nwhat was done');
  for (const [what, count] of [...done].sort((a, b) => b[1] - a[1])) console.log(`  ${count} x ${what}`);
  console.log(`  requests to AWS that met a fault: ${requests.join(', ')}`);
  console.log('recoveries, from the signal until all accounts of the host were connected elsewhere');
  for (const alone of [true, false]) {
    for (const what of new Set(recoveries.map((one) => one.what))) {
      const some = recoveries.filter((one) => one.what === what && one.alone === alone);
      const seconds = some.map(({ lastMs }) => (lastMs ?? Number.POSITIVE_INFINITY) / 1000).sort((a, b) => a - b);
      const shown = [seconds[Math.floor(seconds.length / 2)], seconds.at(-1)].map((time) => time?.toFixed(1));
      const when = alone ? '' : ', while more happened to hosts';
      if (some.length > 0)
        console.log(`  ${what}: ${some.length} times, median ${shown[0]} s, slowest ${shown[1]} s${when}`);
    }
  }
  console.log('checks');
  for (const { ok, sentence } of findings) console.log(`  ${ok ? 'ok    ' : 'FAILED'} ${sentence}`);
  for (const failure of failures) console.log(`failure: ${failure}`);
}

function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  console.error(`--${name} must be a whole number above 0, not ${text}.`);
  process.exit(2);
}

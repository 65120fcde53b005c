import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { deliverInbound } from './inbound/delivery.ts';

/**
 * What people write to many accounts arrives at a webhook receiver exactly once, though the only host is killed in between and the receiver
 * refuses some: local stack, simulated WhatsApp, signatures checked by the official library, repeats known by their webhook-id.
 *   node bench/inbound.ts [--messages 10000] [--accounts 50] [--people 20] [--burst 4] [--per-sec 150] [--kills 2] [--within 180]
 * Ends with 0 only if nothing is missing, double, or late.
 */
const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '10000' },
    accounts: { type: 'string', default: '50' },
    people: { type: 'string', default: '20' },
    burst: { type: 'string', default: '4' },
    'per-sec': { type: 'string', default: '150' },
    kills: { type: 'string', default: '2' },
    within: { type: 'string', default: '180' },
  },
});
const withinSec = Number(values.within);
/** Starting, linking, and the end of everything. */
const besidesMs = 180_000;

const deadline = setTimeout(
  () => {
    console.log('FAILED  not over in time');
    process.exit(1);
  },
  withinSec * 1000 + besidesMs,
);
const result = await deliverInbound({
  messages: Number(values.messages),
  accounts: Number(values.accounts),
  people: Number(values.people),
  burst: Number(values.burst),
  perSec: Number(values['per-sec']),
  kills: Number(values.kills),
  withinMs: withinSec * 1000,
  say: (line) => console.error(line),
});
clearTimeout(deadline);
const { failures, seconds, writtenSec, backSec, ...counts } = result;
console.log(`\nMessages of people, from the phone to the receiver; load of the machine ${loadavg()[0]?.toFixed(1)}`);
console.table([
  {
    ...counts,
    'written in s': writtenSec.toFixed(1),
    'delivered in s': seconds.toFixed(1),
    'messages/s': (counts.delivered / seconds).toFixed(0),
    'connected again after s': backSec.map((sec) => sec.toFixed(1)).join(', '),
  },
]);
for (const failure of failures) console.log(`FAILED  ${failure}`);
if (failures.length === 0)
  console.log(
    `PASS  ${counts.delivered} messages, each delivered exactly once, in ${seconds.toFixed(0)} s (limit ${withinSec} s)`,
  );
process.exitCode = failures.length === 0 ? 0 : 1;

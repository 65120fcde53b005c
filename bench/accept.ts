import { setTimeout as sleep } from 'node:timers/promises';
import { startWorld, type World } from '../test/harness/local-stack.ts';
import { fictionalNumbers } from './fictional-numbers.ts';

/**
 * How long it takes until recipients are accepted, and how the API answers meanwhile:
 *   node bench/accept.ts
 * 10,000 recipients in two requests, five times, then 100,000 as a CSV file by import. `GET /health` is asked every 50 ms all the time.
 */
const inline = 5_000;
const inlineTimes = 5;
const imported = 100_000;
const aims = { inlineSec: 5, importSec: 60, healthP95Ms: 200 };
const healthEveryMs = 50;
const importWithinMs = 5 * 60_000;

/** Asks for `GET /health` on a fixed schedule until the signal fires; answers how long each took, failures as Infinity. */
async function watchHealth(apiUrl: string, signal: AbortSignal): Promise<number[]> {
  const tookMs: number[] = [];
  const open = new Set<Promise<void>>();
  while (!signal.aborted) {
    const startMs = performance.now();
    const asked = fetch(`${apiUrl}/health`)
      .then(async (response) => {
        await response.text();
        tookMs.push(response.ok ? performance.now() - startMs : Number.POSITIVE_INFINITY);
      })
      .catch(() => void tookMs.push(Number.POSITIVE_INFINITY))
      .finally(() => open.delete(asked));
    open.add(asked);
    await sleep(healthEveryMs);
  }
  await Promise.all(open);
  return tookMs.sort((a, b) => a - b);
}

const quantile = (sorted: number[], share: number): number =>
  sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;

/** Seconds each of `times` repetitions took, and the health answers meanwhile in ascending ms. */
async function measured(times: number, work: () => Promise<void>): Promise<{ seconds: number[]; healthMs: number[] }> {
  const stop = new AbortController();
  const watching = watchHealth(world.stack.apiUrl, stop.signal);
  const seconds: number[] = [];
  try {
    for (let n = 0; n < times; n++) {
      const startMs = performance.now();
      await work();
      seconds.push((performance.now() - startMs) / 1000);
    }
  } finally {
    stop.abort();
  }
  return { seconds, healthMs: await watching };
}

async function acceptInline(to: World, accountId: string): Promise<void> {
  const { id } = await to.contract(accountId, recipients.slice(0, inline), { start: false });
  await to.api('POST', `/v1/contracts/${id}/recipients`, { recipients: recipients.slice(inline) });
  const { totalCount } = await to.read(id);
  if (totalCount !== 2 * inline) throw new Error(`The contract has ${totalCount} recipients.`);
}

/** From asking for the URL until the contract is PENDING with all its rows. */
async function acceptImport(to: World, accountId: string, file: Blob): Promise<void> {
  const { id } = await to.contract(accountId, [], { start: false });
  const upload = await to.api<{ uploadUrl: string; method: string; headers: Record<string, string> }>(
    'POST',
    `/v1/contracts/${id}/import`,
    { format: 'csv' },
  );
  const put = await fetch(upload.uploadUrl, { method: upload.method, headers: upload.headers, body: file });
  if (!put.ok) throw new Error(`The upload was answered ${put.status}.`);
  for (const startMs = performance.now(); ; ) {
    const { status, totalCount } = await to.read(id);
    if (status === 'PENDING' && totalCount === imported) return;
    if (performance.now() - startMs > importWithinMs) throw new Error(`Still ${status} with ${totalCount} rows.`);
    await sleep(100);
  }
}

/** Repeats numbers: there are not as many for fiction. */
function csv(): Blob {
  const numbers = fictionalNumbers(20_000);
  const lines = Array.from(
    { length: imported },
    (_, i) => `${numbers[i % numbers.length]},"Your order ${i}, as you asked, is ready.",row-${i}\n`,
  );
  return new Blob(['phoneNumber,message,externalId\n', ...lines]);
}

const recipients = fictionalNumbers(2 * inline).map((phoneNumber, i) => ({
  phoneNumber,
  message: `Your order ${i} is ready.`,
}));
const file = csv();
const world = await startWorld();
try {
  const { id: accountId } = await world.api<{ id: string }>('POST', '/v1/accounts', {
    name: 'Acceptance',
    connect: false,
  });
  const byRequest = await measured(inlineTimes, () => acceptInline(world, accountId));
  const byImport = await measured(1, () => acceptImport(world, accountId, file));
  const verdict = (reached: boolean): string => (reached ? 'reached' : 'missed');
  const row = (what: string, seconds: number, aimSec: number) => ({
    what,
    seconds: seconds.toFixed(2),
    aim: `< ${aimSec}`,
    verdict: verdict(seconds < aimSec),
  });
  console.table([
    row(`10,000 recipients in two requests, slowest of ${inlineTimes}`, Math.max(...byRequest.seconds), aims.inlineSec),
    row('100,000 rows by import', Math.max(...byImport.seconds), aims.importSec),
  ]);
  console.table(
    [
      { during: 'requests', healthMs: byRequest.healthMs },
      { during: 'import', healthMs: byImport.healthMs },
      { during: 'both', healthMs: [...byRequest.healthMs, ...byImport.healthMs].sort((a, b) => a - b) },
    ].map(({ during, healthMs }) => ({
      'GET /health during': during,
      answers: healthMs.length,
      'p50 ms': quantile(healthMs, 0.5).toFixed(0),
      'p95 ms': quantile(healthMs, 0.95).toFixed(0),
      'max ms': quantile(healthMs, 1).toFixed(0),
      'aim of p95': `< ${aims.healthP95Ms} ms`,
      verdict: verdict(quantile(healthMs, 0.95) < aims.healthP95Ms),
    })),
  );
} finally {
  await world.stop();
}

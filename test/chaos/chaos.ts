import { setTimeout as sleep } from 'node:timers/promises';
import { audit, type Finding } from './audit.ts';
import { type Fleet, type FleetOptions, startFleet } from './fleet.ts';
import { type Mischief, mischief } from './mischief.ts';
import { type Orders, orders } from './orders.ts';
import { givenUpMs, type Recoveries, recoveries } from './recoveries.ts';
import { type Seeded, seeded } from './seeded.ts';

export interface ChaosOptions extends FleetOptions {
  seed: number;
  contracts: number;
  /** Messages a contract. */
  rows: number;
  /** Contracts that are unfinished at any time while things break. */
  atLeastOpen: number;
  /** Orders are spread over this time. */
  spreadMs: number;
  /** Breaks things, one by one; what it begins and does not wait for goes to `begin`. When it resolves, no more is broken. */
  breakThings(can: Mischief, begin: (what: Promise<string>) => void, random: Seeded): Promise<void>;
  /** Everything must be final so long after the last fault. */
  finishWithinMs: number;
  /** Leaves the data folder of a run that failed, and says where it is. */
  keepFailed?: boolean;
}

export interface ChaosReport {
  /** What went wrong; empty: passed. */
  failures: string[];
  findings: Finding[];
  /** How often each thing was done. */
  done: Map<string, number>;
  recoveries: Recoveries['done'];
  /** Requests to AWS that met a fault, by service and fault. */
  requests: string[];
}

const progressEveryMs = 10_000;
/** The last receipts need a moment after the last message. */
const receiptsWithinMs = 10_000;

/** One run: a fleet under load, things that break, a time to finish, and an audit. Rejects when the fleet does not start. */
export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const fleet = await startFleet(options);
  let keep = options.keepFailed === true;
  try {
    const report = await disturbed(fleet, options);
    keep &&= report.failures.length > 0;
    return report;
  } finally {
    if (keep) options.say(`the logs stay in ${fleet.world.stack.dataDir}`);
    await fleet.stop({ keep });
  }
}

async function disturbed(fleet: Fleet, options: ChaosOptions): Promise<ChaosReport> {
  const { say } = options;
  const random = seeded(options.seed);
  const back = recoveries(fleet);
  const work = orders(fleet, { ...options, random: random.fork('orders') });
  const can = mischief(fleet, back, work, random.fork('mischief'));
  const done = new Map<string, number>();
  const failures: string[] = [];
  const startedMs = performance.now();
  const note = (line: string) =>
    say(`[${String(Math.round((performance.now() - startedMs) / 1000)).padStart(4)} s] ${line}`);

  const underWay = new Set<Promise<void>>();
  const begin = (what: Promise<string>): void => {
    const kept = what
      .then((sentence) => {
        note(sentence);
        const kind = sentence.replaceAll(/\d+(\.\d+)?/g, 'N');
        done.set(kind, (done.get(kind) ?? 0) + 1);
      })
      .catch((error: unknown) => {
        failures.push(`a fault could not be made: ${error instanceof Error ? error.message : error}`);
      })
      .finally(() => underWay.delete(kept));
    underWay.add(kept);
  };

  const working = new AbortController();
  const progress = setInterval(() => void print(fleet, work, note), progressEveryMs);
  try {
    const coming = work.keepComing(working.signal);
    coming.catch(() => undefined);
    await options.breakThings(can, begin, random.fork('breaking'));
    await Promise.all(underWay);
    await can.lift();
    await fleet.liftDayCaps();
    note('no more faults');
    working.abort();
    await coming;
    const ended = await finish(work, options.finishWithinMs);
    note(`${ended.left} contracts unfinished ${ended.afterSec} s after the last fault`);
    await work.closing();
    const closed = await finish(work, options.finishWithinMs);
    note(`${closed.left} contracts unfinished, ${closed.afterSec} s after one more of every account`);
    if (closed.left > 0) failures.push(...(await unfinished(fleet, work)));
    await back.complete();
    await receipts(fleet, work);
  } finally {
    clearInterval(progress);
    working.abort();
  }
  const findings = await audit(fleet, work);
  failures.push(...findings.filter(({ ok }) => !ok).map(({ sentence }) => sentence));
  for (const { what, accounts, lastMs } of back.done) {
    if (lastMs === undefined)
      failures.push(`${accounts} accounts were not connected again ${givenUpMs / 1000} s after ${what}`);
  }
  const { dynamodb, sqs, s3 } = fleet.proxies;
  const requests = [dynamodb, sqs, s3].flatMap(({ service, met }) =>
    [...met].map(([kind, n]) => `${service} ${kind} ${n}`),
  );
  return { failures, findings, done, recoveries: back.done, requests };
}

/** Until all contracts have ended, or the time is over. */
async function finish(work: Orders, withinMs: number): Promise<{ left: number; afterSec: number }> {
  const startedMs = performance.now();
  for (;;) {
    const left = await work.look();
    const afterMs = performance.now() - startedMs;
    if (left === 0 || afterMs > withinMs) return { left, afterSec: Math.round(afterMs / 1000) };
    await sleep(500);
  }
}

async function print(fleet: Fleet, work: Orders, note: (line: string) => void): Promise<void> {
  try {
    const { distinct, connections } = await fleet.world.totals();
    const hosts = fleet.world.stack.hosts.length;
    note(
      `${distinct} messages at the phones, ${work.ended.size} of ${work.all.length} contracts ended, ${connections} of ${fleet.accounts.length} connected, ${hosts} hosts`,
    );
  } catch {
    // The next line has more.
  }
}

async function unfinished(fleet: Fleet, work: Orders): Promise<string[]> {
  const open = work.all.filter(({ id }) => !work.ended.has(id));
  return await Promise.all(
    open.map(async ({ id, account }) => {
      const { status, reason, counts } = await fleet.world.read(id);
      const view = await fleet.ask<{ status: string }>('GET', `/v1/accounts/${account.id}`);
      return `${id} is ${status} (${reason}) with ${JSON.stringify(counts)}; its account ${account.id} is ${view.status}`;
    }),
  );
}

/** Until the receipts have stopped coming, or a while has passed: they are not promised to survive everything. */
async function receipts(fleet: Fleet, work: Orders): Promise<void> {
  const until = performance.now() + receiptsWithinMs;
  const counts = async () =>
    JSON.stringify(await Promise.all(work.all.map(async ({ id }) => (await fleet.world.read(id)).counts)));
  let before = '';
  for (let now = await counts(); now !== before && performance.now() < until; now = await counts()) {
    before = now;
    await sleep(1000);
  }
}

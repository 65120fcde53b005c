import { parse } from 'csv-parse/sync';
import { inParallel } from '../../lib/aws/client/table.ts';
import type { ContractView, Totals } from '../harness/local-stack.ts';
import type { Fleet } from './fleet.ts';
import type { Order, Orders } from './orders.ts';
import { judgePace } from './paces.ts';

/** One check with its numbers. */
export interface Finding {
  ok: boolean;
  sentence: string;
}

interface Shown {
  id: string;
  from: string;
  text: string;
  receivedAt: string;
}

interface Row {
  phoneNumber: string;
  externalId: string;
  status: string;
  error: string;
}

const final = ['SENT', 'DELIVERED', 'READ', 'FAILED', 'CANCELED', 'SUPPRESSED', 'EXPIRED'];
const sentOrBetter = ['SENT', 'DELIVERED', 'READ'];

/** Compares what the API says, what the table counts and what the phones show. */
export async function audit(fleet: Fleet, orders: Orders): Promise<Finding[]> {
  const totals = await fleet.world.totals();
  const shown = new Map<string, Shown[]>();
  await inParallel(4, fleet.phones, async (phone) => {
    shown.set(phone, await fleet.world.simulator<Shown[]>('GET', `/phones/${phone}/messages`));
  });
  const results = new Map<Order, { rows: Row[]; contract: ContractView; stats: Record<string, unknown> }>();
  await inParallel(4, [...orders.all], async (order) => {
    const rows: Row[] = parse(await fleet.askText('GET', `/v1/contracts/${order.id}/results.csv`), { columns: true });
    const contract = await fleet.ask<ContractView>('GET', `/v1/contracts/${order.id}`);
    const stats = await fleet.ask<Record<string, unknown>>('GET', `/v1/contracts/${order.id}/stats`);
    results.set(order, { rows, contract, stats });
  });
  const rows = [...results.values()].flatMap((result) => result.rows);
  return [
    everyFinal(orders, rows),
    countersRight([...results.values()]),
    ...phonesRight(orders, rows, shown, totals),
    wireRight(totals),
    ...(await paceKept(fleet)),
    pausesKept(orders, shown),
    await strangersLeftOut(fleet, rows),
    ...(await accountsRight(fleet, rows)),
  ];
}

function everyFinal(orders: Orders, rows: Row[]): Finding {
  const ordered = orders.all.reduce((sum, order) => sum + order.rows.length, 0);
  const open = rows.filter(({ status }) => !final.includes(status)).length;
  const byStatus = final.map((status) => [status, rows.filter((row) => row.status === status).length] as const);
  const states = byStatus.flatMap(([status, count]) => (count > 0 ? [`${count} ${status}`] : [])).join(', ');
  return {
    ok: open === 0 && rows.length === ordered,
    sentence: `${ordered} messages in ${orders.all.length} contracts: ${states}; ${open} not final, ${ordered - rows.length} without a row`,
  };
}

function countersRight(results: { rows: Row[]; contract: ContractView; stats: Record<string, unknown> }[]): Finding {
  let wrong = 0;
  for (const { rows, contract, stats } of results) {
    const count = (...states: string[]) => rows.filter(({ status }) => states.includes(status)).length;
    const shown = final.map((state) => contract.counts[state.toLowerCase()] ?? 0);
    const counted = final.map((state) => count(state));
    const statsTold = [stats.total, stats.success, stats.failed, stats.pending];
    const statsCounted = [rows.length, count(...sentOrBetter), count('FAILED'), 0];
    if (String(shown) !== String(counted) || String(statsTold) !== String(statsCounted)) wrong += 1;
  }
  return {
    ok: wrong === 0,
    sentence: `counters of ${results.length} contracts against their messages: ${wrong} wrong`,
  };
}

/** A row's text is unique: shown under two ids, or twice, it was received twice. */
function phonesRight(orders: Orders, rows: Row[], shown: Map<string, Shown[]>, totals: Totals): Finding[] {
  const wasSent = new Map(rows.map((row) => [row.externalId, sentOrBetter.includes(row.status)]));
  let missing = 0;
  let twice = 0;
  let unsent = 0;
  let foreign = 0;
  let seen = 0;
  for (const order of orders.all) {
    for (const { phone, text } of order.rows) {
      const copies = (shown.get(phone) ?? []).filter((message) => message.text === text);
      seen += copies.length;
      if (copies.length > 1) twice += 1;
      if (copies.length === 0 && wasSent.get(text) === true) missing += 1;
      if (copies.length > 0 && wasSent.get(text) !== true) unsent += 1;
      foreign += copies.filter(({ from }) => from !== order.account.number).length;
    }
  }
  const sent = [...wasSent.values()].filter(Boolean).length;
  const all = [...shown.values()].reduce((sum, messages) => sum + messages.length, 0);
  return [
    {
      ok: totals.distinct === sent && all === seen && missing === 0 && unsent === 0,
      sentence: `distinct at the phones ${totals.distinct}, SENT or better ${sent}: ${missing} missing, ${unsent} arrived though not SENT, ${all - seen} nobody ordered`,
    },
    { ok: twice === 0 && foreign === 0, sentence: `${twice} messages received twice, ${foreign} from another account` },
  ];
}

function wireRight({ usedCounters, undecryptable, repeatsOnWire }: Totals): Finding {
  return {
    ok: usedCounters === 0 && undecryptable === 0,
    sentence: `${usedCounters} used counters dropped, ${undecryptable} undecryptable left, ${repeatsOnWire} repeats of an id on the wire`,
  };
}

async function paceKept(fleet: Fleet): Promise<Finding[]> {
  return await Promise.all(
    fleet.accounts.flatMap((account) => {
      const { pace } = account;
      if (pace === undefined) return [];
      return [
        fleet.wire(account).then((stanzas) => {
          const times = stanzas.map(({ atMs }) => atMs);
          const { ok, sentence } = judgePace(pace, times, fleet.sentWhileCapped.get(account) ?? 0);
          const repeats = stanzas.length - new Set(stanzas.map(({ id }) => id)).size;
          return { ok, sentence: `${sentence}, ${repeats} repeats` };
        }),
      ];
    }),
  );
}

/** Once a pause is answered, the one message in hand may still arrive and nothing else, until the contract is started again. */
function pausesKept({ pauses }: Orders, shown: Map<string, Shown[]>): Finding {
  const most = Math.max(
    0,
    ...pauses.map(({ order, fromMs, toMs }) => {
      const texts = new Set(order.rows.map(({ text }) => text));
      const phones = [...new Set(order.rows.map(({ phone }) => phone))];
      return phones
        .flatMap((phone) => shown.get(phone) ?? [])
        .filter(({ text, receivedAt }) => texts.has(text) && Date.parse(receivedAt) > fromMs)
        .filter(({ receivedAt }) => Date.parse(receivedAt) < toMs).length;
    }),
  );
  return {
    ok: most <= 1,
    sentence: `${pauses.length} pauses: at most ${most} messages of a contract arrived during one`,
  };
}

/** A stranger gets nothing, and no message goes further than its own recipient's phone reports. */
async function strangersLeftOut(fleet: Fleet, rows: Row[]): Promise<Finding> {
  const steps = ['SENT', 'DELIVERED', 'READ'];
  const advanced = rows.filter(
    ({ phoneNumber, status }) => steps.indexOf(status) > steps.indexOf(fleet.furthest(phoneNumber)),
  ).length;
  const got = await Promise.all(
    fleet.strangers.map((phone) => fleet.world.simulator<Shown[]>('GET', `/phones/${phone}/messages`)),
  );
  const leaked = got.flat().length;
  return {
    ok: advanced === 0 && leaked === 0,
    sentence: `${leaked} messages reached strangers, ${advanced} messages went further than their recipients' receipts`,
  };
}

async function accountsRight(fleet: Fleet, rows: Row[]): Promise<Finding[]> {
  const wrong: string[] = [];
  const hots = await fleet.hots();
  await inParallel(4, fleet.accounts, async ({ id }) => {
    const path = `/v1/accounts/${id}`;
    const { status, statusReason } = await fleet.ask<{ status: string; statusReason: string | null }>('GET', path);
    const hot = hots.get(id);
    if (status === 'connected' && hot?.queuedBulk === 0 && hot.queuedExpress === 0) return;
    wrong.push(`${status} (${statusReason}) with ${hot?.queuedExpress} and ${hot?.queuedBulk} in the lanes`);
  });
  const shown = [...hots.values()].reduce((sum, { messageCount }) => sum + messageCount, 0);
  const sent = rows.filter(({ status }) => sentOrBetter.includes(status)).length;
  const accounts = fleet.accounts.length;
  return [
    {
      ok: wrong.length === 0,
      sentence: `${accounts} accounts: ${wrong.length} not connected or with wrong lane counts ${wrong.slice(0, 3).join('; ')}`,
    },
    { ok: shown === sent, sentence: `the accounts count ${shown} messages, ${sent} are SENT or better` },
  ];
}

import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'csv-parse/sync';
import { defaultPolicy, initialPace } from '../lib/domain/accounts/pacing.ts';
import { estimatedEndAt } from '../lib/domain/contracts/contract.ts';
import { callApi } from './api-client.ts';
import { UsageError } from './data-folder.ts';
import { DEMO_HELP, parseDemoFlags } from './flags.ts';
import { ProgressBar } from './progress-bar.ts';
import { type LocalStack, startLocal } from './stack.ts';

/** The simulated sender; a number reserved for fiction. */
const sender = '12025550199';
const linkWithinMs = 30_000;
const doneWithinMs = 5 * 60_000;

interface Recipient {
  phoneNumber: string;
  message: string;
  externalId: string;
}

interface Numbers {
  total: number;
  success: number;
  failed: number;
}

const say = (line = ''): void => {
  process.stdout.write(`${line}\n`);
};

/**
 * Runs `npm run demo`: links a simulated phone by QR, sends examples/recipients.csv as one contract and prints the result.
 * Returns the exit status: 0 when the counts are as expected, otherwise 1; 2 for a wrong command line. Without `--exit` it first waits for Ctrl-C.
 */
export async function demo(args: string[]): Promise<number> {
  let flags: ReturnType<typeof parseDemoFlags>;
  try {
    flags = parseDemoFlags(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    return 2;
  }
  if (flags.help) {
    say(DEMO_HELP);
    return 0;
  }
  say('This is a simulation: WhatsApp and its phones are simulated on this machine, and no real message leaves it.');
  const dataDir = await mkdtemp(join(tmpdir(), 'paceline-demo-'));
  const stopped = interrupted();
  say(`Starting the gateway with a fresh data folder, ${dataDir}, which is deleted at the end`);
  const stack = await startLocal({ dataDir, onProgress: (sentence) => say(`  ${sentence} ...`) });
  try {
    const numbers = await Promise.race([present(stack, flags.exit), stopped.then(() => undefined)]);
    const ok = numbers !== undefined && (await asExpected(numbers));
    if (!flags.exit) await stopped;
    await stack.stop();
    await rm(dataDir, { recursive: true, force: true });
    return ok ? 0 : 1;
  } catch (error) {
    await stack.stop();
    say(`The data folder is kept, with the logs in ${join(dataDir, 'logs')}`);
    throw error;
  }
}

async function present(stack: LocalStack, leaves: boolean): Promise<Numbers> {
  const api = callApi(stack.apiUrl, stack.apiKey);
  const accountId = await linkPhone(stack, api);
  const recipients = await readRecipients();
  const limitsEnd = estimatedEndAt(recipients.length, defaultPolicy, Date.now(), {
    linkedAtMs: Date.now(),
    pace: initialPace,
  });
  say();
  say(
    `Sending examples/recipients.csv, ${recipients.length} messages, as one contract. The demo runs with useLimits:false, without any pacing.`,
  );
  say(
    `With default pacing and the warm-up of a new number the same contract takes about ${days(limitsEnd)}: keep pacing on for real numbers.`,
  );
  const contract = await api<{ id: string }>('POST', '/v1/contracts', {
    accountId,
    name: 'Demo',
    recipients,
    start: true,
  });
  const startedAt = Date.now();
  await watch(api, contract.id, recipients.length);
  const tookSec = (Date.now() - startedAt) / 1000;
  return await report(stack, api, { accountId, contractId: contract.id, tookSec, leaves });
}

async function linkPhone(stack: LocalStack, api: ReturnType<typeof callApi>): Promise<string> {
  const simulator = callApi(stack.simulatorUrl ?? '');
  say();
  const account = await api<{ id: string }>('POST', '/v1/accounts', { name: 'Demo account', useLimits: false });
  say(`Created account ${account.id}; waiting for its QR code ...`);
  await simulator('POST', '/phones', { number: sender, name: 'Demo phone' });
  const { code } = await within(linkWithinMs, 'a QR code', () =>
    api<{ code: string }>('GET', `/v1/accounts/${account.id}/qr`).catch(() => undefined),
  );
  await simulator('POST', `/phones/${sender}/scan`, { code });
  await within(linkWithinMs, 'the account to connect', async () => {
    const { status } = await api<{ status: string }>('GET', `/v1/accounts/${account.id}`);
    return status === 'connected' ? true : undefined;
  });
  say(`... the simulated phone ${sender} has scanned it: linked and connected.`);
  return account.id;
}

async function watch(api: ReturnType<typeof callApi>, contractId: string, total: number): Promise<void> {
  const bar = new ProgressBar(process.stdout, total);
  await within(doneWithinMs, 'the contract to complete', async () => {
    const { status, counts } = await api<{ status: string; counts: Record<string, number> }>(
      'GET',
      `/v1/contracts/${contractId}`,
    );
    const { pending = 0, queued = 0, sending = 0, failed = 0 } = counts;
    bar.show(total - pending - queued - sending, failed);
    return status === 'COMPLETED' || status === 'FAILED' ? true : undefined;
  });
  bar.end();
}

interface Shown {
  accountId: string;
  contractId: string;
  tookSec: number;
  leaves: boolean;
}

async function report(stack: LocalStack, api: ReturnType<typeof callApi>, shown: Shown): Promise<Numbers> {
  const stats = await api<{
    total: number;
    success: number;
    failed: number;
    successRate: string;
    failedPhoneNumbers: { errorCode: string }[];
  }>('GET', `/v1/contracts/${shown.contractId}/stats`);
  const totals = await callApi(stack.simulatorUrl ?? '')<Record<string, number>>('GET', '/totals');
  const codes = [...new Set(stats.failedPhoneNumbers.map(({ errorCode }) => errorCode))].join(', ');
  const { total, success, failed } = stats;
  say();
  say(`Done in ${shown.tookSec.toFixed(1)} s, ${(total / shown.tookSec).toFixed(0)} messages a second.`);
  say(`  total         ${total}`);
  say(`  success       ${success}   (${stats.successRate})`);
  say(`  failed        ${failed}   (${codes})`);
  say(
    `  on the phones ${totals.distinct} distinct, ${totals.repeatsOnWire} repeats on the wire, ${totals.undecryptable} undecryptable, ${totals.usedCounters} used counters`,
  );
  say('The failed numbers end in 0000: these are not on the simulated WhatsApp, so nothing was sent to them.');
  if (!shown.leaves) showWhatToTry(stack, shown);
  say(`DEMO DONE total=${total} success=${success} failed=${failed}`);
  return { total, success, failed };
}

function showWhatToTry(stack: LocalStack, { accountId, contractId }: Shown): void {
  const authorization = `-H 'Authorization: Bearer ${stack.apiKey}'`;
  const order = {
    accountId,
    name: 'From curl',
    recipients: [{ phoneNumber: '12015550100', message: 'Hello from curl' }],
    start: true,
  };
  say();
  say(
    `The gateway stays up until Ctrl-C, which also deletes its data. API ${stack.apiUrl}, its documentation ${stack.apiUrl}/docs, simulator ${stack.simulatorUrl}`,
  );
  say('Three things to try in another terminal:');
  say(`  curl ${authorization} ${stack.apiUrl}/v1/contracts/${contractId}/stats`);
  say(
    `  curl -X POST ${authorization} -H 'Content-Type: application/json' -d '${JSON.stringify(order)}' ${stack.apiUrl}/v1/contracts`,
  );
  say(`  curl ${stack.simulatorUrl}/phones/12015550100/messages`);
  say();
}

async function readRecipients(): Promise<Recipient[]> {
  const file = new URL('../examples/recipients.csv', import.meta.url);
  return parse(await readFile(file), { columns: true }) as Recipient[];
}

/** Returns whether the counts are as expected: numbers that end in 0000 fail, all others succeed. */
async function asExpected(numbers: Numbers): Promise<boolean> {
  const recipients = await readRecipients();
  const failed = recipients.filter(({ phoneNumber }) => phoneNumber.endsWith('0000')).length;
  return (
    numbers.total === recipients.length && numbers.failed === failed && numbers.success === recipients.length - failed
  );
}

function days(untilMs: number): string {
  return `${Math.ceil((untilMs - Date.now()) / (24 * 3_600_000))} days`;
}

async function within<T>(ms: number, what: string, ask: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (Date.now() > end) throw new Error(`Waited ${ms / 1000} s for ${what}, without success.`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function interrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}

import { randomBytes, randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { findAccount, findBucket, markRestored, reserveAccount } from '../lib/aws/accounts/restoration.ts';
import { createClients, destroyClients } from '../lib/aws/client/clients.ts';
import { type ObjectStore, objectStore } from '../lib/aws/client/objects.ts';
import { Table } from '../lib/aws/client/table.ts';
import { physicalName } from '../lib/infra/settings.ts';
import { RestoreRefused } from '../socket-host/auth/errors.ts';
import { planRestore, type RestorePoint, restoreAuth } from '../socket-host/auth/restore.ts';
import { completeVersions, type StoredObject, surveyAuth } from '../socket-host/auth/versions.ts';

const usage = `Usage: npm run restore-auth -- --stage <stage> --account <acc_..> --list
       npm run restore-auth -- --stage <stage> --account <acc_..> --before <ISO time> | --number <number>
       [--table <name>] [--bucket <name>]`;

/** Lists the stored versions of an account's keys, or makes an older version the newest. See docs/runbook.md, "auth state". */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      stage: { type: 'string' },
      account: { type: 'string' },
      list: { type: 'boolean', default: false },
      before: { type: 'string' },
      number: { type: 'string' },
      table: { type: 'string' },
      bucket: { type: 'string' },
    },
  });
  const { stage = '', account: accountId = '' } = values;
  const point = restorePoint(values);
  if (!/^[a-z][a-z0-9]{0,11}$/.test(stage) || accountId === '' || (point === undefined) !== values.list) {
    process.stderr.write(`${usage}\n`);
    process.exitCode = 2;
    return;
  }
  const clients = createClients();
  try {
    const bucket = values.bucket ?? (await findBucket(clients.s3, physicalName(stage, 'auth')));
    if (bucket === undefined) throw new Error(`There is no auth bucket of stage ${stage} in this region.`);
    const table = new Table(clients.dynamodb, values.table ?? physicalName(stage, 'table'));
    const objects = objectStore(clients.s3, bucket);
    if (point === undefined) await list(table, objects, accountId);
    else await restore(table, objects, accountId, point);
  } finally {
    destroyClients(clients);
  }
}

function restorePoint(values: { before?: string; number?: string }): RestorePoint | undefined {
  if (values.before !== undefined && values.number === undefined) {
    const before = Date.parse(values.before);
    if (Number.isNaN(before)) throw new Error('--before is no time; write for example 2026-11-20T09:00:00Z.');
    return { before };
  }
  if (values.number === undefined || values.before !== undefined) return undefined;
  if (!/^[1-9]\d{0,11}$/.test(values.number)) throw new Error('--number is one of the numbers that --list shows.');
  return { number: Number(values.number) };
}

async function list(table: Table, objects: ObjectStore, accountId: string): Promise<void> {
  const { account, hot } = await read(table, accountId);
  const found = await surveyAuth(objects, `${account.tenantId}/${accountId}/`);
  for (const line of linesOf(found, hot.authHead)) console.log(line);
  const newest = completeVersions(found).at(-1);
  console.log(
    newest === undefined
      ? 'No complete version is left.'
      : `The newest complete version has number ${newest.number}, of ${new Date(newest.at).toISOString()}.`,
  );
}

async function restore(table: Table, objects: ObjectStore, accountId: string, point: RestorePoint): Promise<void> {
  const pair = await read(table, accountId);
  const { tenantId, status } = pair.account;
  const { owner, authHead } = pair.hot;
  if (owner !== undefined) {
    throw new RestoreRefused(
      `${owner} owns the account: POST /v1/accounts/${accountId}/disconnect and wait until it is disconnected. A dead host loses it within 2 min.`,
    );
  }
  if (status === 'logged_out') {
    throw new RestoreRefused('The account is logged out, so its keys are no longer valid. Link it again.');
  }
  const plan = await planRestore(objects, `${tenantId}/${accountId}/`, point, authHead);
  const { version, number, kept, dropped } = plan;
  const nowMs = () => Date.now();
  const epoch = await reserveAccount(table, pair, nowMs());
  if (epoch === undefined) throw new RestoreRefused('A host has just taken the account: disconnect it and try again.');
  const writer = { objects, host: 'restore-auth', epoch, mayWrite: () => true, nowMs, nonce: randomUUID };
  await restoreAuth(writer, plan);
  await markRestored(table, pair.account, { version: version.number, at: version.at, number }, nowMs(), randomBytes);
  console.log(
    `Restored number ${version.number} of ${new Date(version.at).toISOString()} as number ${number}: ${kept.length} keys kept, ${dropped} sessions and sender keys dropped.`,
  );
  console.log(`Now POST /v1/accounts/${accountId}/connect.`);
}

async function read(table: Table, accountId: string) {
  const pair = await findAccount(table, accountId);
  if (pair === undefined) throw new RestoreRefused(`There is no account ${accountId} in this stage.`);
  return pair;
}

/**
 * Returns the lines of `--list`. Each snapshot, reset and damaged object has its own line; intact segments between them share one, and intact
 * runs have none. Segments up to `authHead` that are not stored are listed as missing.
 */
function linesOf(found: StoredObject[], authHead = 0): string[] {
  const lines: string[] = [];
  let next = 1;
  let group: StoredObject[] = [];
  const endGroup = () => {
    const first = group[0];
    const last = group.at(-1);
    if (first === undefined || last === undefined) return;
    const bytes = group.reduce((sum, { size = 0 }) => sum + size, 0);
    const numbers = first === last ? `segment  ${first.number}` : `segments ${first.number}-${last.number}`;
    const times = first === last ? time(first) : `${time(first)} to ${time(last)}`;
    lines.push(`${numbers}  ${times}  ${bytes} bytes  intact`);
    group = [];
  };
  for (const object of found) {
    const { kind, from, number, size, damage, resets } = object;
    if (kind === 'segment') {
      if (number > next && next > 1) {
        endGroup();
        lines.push(`segments ${next}-${number - 1}  missing`);
      }
      next = number + 1;
      if (damage === undefined && !resets) {
        group.push(object);
        continue;
      }
    } else if (kind === 'run' && damage === undefined) {
      continue;
    }
    endGroup();
    const name = kind === 'run' ? `run      ${from}-${number}` : `${kind.padEnd(8)} ${number}`;
    lines.push(
      damage === undefined
        ? `${name}  ${time(object)}  ${size} bytes  intact${resets ? ', a new beginning' : ''}`
        : `${name}  damaged: ${damage}`,
    );
  }
  endGroup();
  const end = found.at(-1)?.number ?? 0;
  if (authHead > end) lines.push(`segments ${end + 1}-${authHead}  missing`);
  return lines;
}

function time({ at = 0 }: StoredObject): string {
  return new Date(at).toISOString();
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});

import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import './layout/bounds.ts';
import './layout/circles.ts';
import './layout/folders.ts';
import { importsOf, root, sources } from './layout/sources.ts';
import './layout/table.ts';
import './layout/tests.ts';
import './layout/time.ts';

function violations(folder: string, allowed: (target: string, typeOnly: boolean) => boolean): string[] {
  return sources(folder).flatMap((file) =>
    importsOf(file)
      .filter(({ target, typeOnly }) => !allowed(target, typeOnly))
      .map(({ target }) => `${relative(root, file)} imports ${target}`),
  );
}

const isProject = (target: string): boolean =>
  /^(bin|lib|functions|socket-host|simulator|local|bench|test|dashboard)\//.test(target);
const below =
  (...folders: string[]) =>
  (target: string) =>
    folders.some((folder) => target.startsWith(`${folder}/`));

describe('the layers', () => {
  it('domain imports nothing of the project but itself', () => {
    expect(violations('lib/domain', (target) => !isProject(target) || below('lib/domain')(target))).toEqual([]);
  });

  it('domain does no I/O and has no clock, randomness or environment', () => {
    const forbidden =
      /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bprocess\.|\bsetTimeout\(|node:(fs|net|http|child_process)/;
    const guilty = sources('lib/domain').filter((file) =>
      forbidden.test(readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')),
    );
    expect(guilty.map((file) => relative(root, file))).toEqual([]);
  });

  it('lib/aws imports domain and runtime only', () => {
    const allowed = below('lib/aws', 'lib/domain', 'lib/runtime');
    expect(violations('lib/aws', (target) => !isProject(target) || allowed(target))).toEqual([]);
  });

  it('lib/runtime imports domain only', () => {
    const allowed = below('lib/runtime', 'lib/domain');
    expect(violations('lib/runtime', (target) => !isProject(target) || allowed(target))).toEqual([]);
  });

  it('lib/sending imports aws, domain and runtime only', () => {
    const allowed = below('lib/sending', 'lib/aws', 'lib/domain', 'lib/runtime');
    expect(violations('lib/sending', (target) => !isProject(target) || allowed(target))).toEqual([]);
  });

  it('lib/accept imports aws, domain and runtime only, and nothing but functions imports it', () => {
    const allowed = below('lib/accept', 'lib/aws', 'lib/domain', 'lib/runtime');
    expect(violations('lib/accept', (target) => !isProject(target) || allowed(target))).toEqual([]);
    const found = ['bin', 'lib', 'socket-host', 'simulator', 'local', 'bench'].flatMap((folder) =>
      violations(folder, (target) => !below('lib/accept')(target)),
    );
    expect(found.filter((line) => !line.startsWith('lib/accept/'))).toEqual([]);
  });

  it('functions never import each other or the host', () => {
    const stages = readdirSync(join(root, 'functions'));
    const found = stages.flatMap((stage) => {
      const allowed = below(`functions/${stage}`, 'lib/accept', 'lib/sending', 'lib/aws', 'lib/domain', 'lib/runtime');
      return violations(`functions/${stage}`, (target) => !isProject(target) || allowed(target));
    });
    expect(found).toEqual([]);
  });

  it('the host never imports functions', () => {
    const allowed = below('socket-host', 'lib/sending', 'lib/aws', 'lib/domain', 'lib/runtime');
    expect(violations('socket-host', (target) => !isProject(target) || allowed(target))).toEqual([]);
  });

  it('lib/infra takes types and constants only', () => {
    const allowed = below('lib/infra', 'lib/domain');
    expect(violations('lib/infra', (target, type) => !isProject(target) || type || allowed(target))).toEqual([]);
  });

  it('only lib/aws imports the AWS SDK in the product', () => {
    const product = ['lib/domain', 'lib/runtime', 'lib/accept', 'lib/sending', 'lib/infra', 'functions', 'socket-host'];
    const found = product.flatMap((folder) =>
      violations(folder, (target, type) => type || !target.startsWith('@aws-sdk/')),
    );
    expect(found).toEqual([]);
  });

  it('only socket-host/baileys imports Baileys in the product', () => {
    const found = ['lib', 'functions', 'socket-host', 'local'].flatMap((folder) =>
      violations(folder, (target) => !target.startsWith('@whiskeysockets/')),
    );
    expect(found.filter((line) => !line.startsWith('socket-host/baileys/'))).toEqual([]);
  });
  it('only socket-host/baileys imports the keys of linked devices in the product', () => {
    const found = ['lib', 'functions', 'socket-host', 'local'].flatMap((folder) =>
      violations(folder, (target) => !target.startsWith('socket-host/auth/')),
    );
    expect(found.filter((line) => !/^socket-host\/(auth|baileys)\//.test(line))).toEqual([]);
  });
});

describe('ids of messages', () => {
  it('derive from contracts by rowMessageId alone: its key keeps outsiders from computing them', () => {
    const calls = ['lib', 'functions', 'socket-host']
      .flatMap(sources)
      .filter((file) => /\bmessageId\(/.test(readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '')))
      .map((file) => relative(root, file));
    expect(calls).toEqual(['lib/domain/ids.ts', 'lib/domain/contracts/row-message.ts']);
  });
});

describe('cuts', () => {
  /**
   * What `.slice(` and `.substring(` are applied to, by file: lists, and text of our own whose characters are known (ids, digits, keys).
   * Text that callers, recipients or WhatsApp wrote goes through `cut` of lib/domain/well-formed.ts, which keeps characters whole.
   */
  const known: Record<string, string[]> = {
    'lib/infra/queues.ts': ['path'],
    'lib/runtime/metrics.ts': ['field'],
    'lib/runtime/egress/egress.ts': ['addresses'],
    'lib/aws/accounts/accounts.ts': ['ref.sk', 'sk'],
    'lib/aws/tenants/audit.ts': [')', 'id', 'items'],
    'lib/aws/contracts/jobs/clear.ts': ['failed'],
    'lib/aws/webhooks/delivery-queue.ts': ['messages', 'receiptHandles'],
    'lib/aws/client/direct-calls.ts': ['commandName'],
    'lib/aws/contracts/feed-rows.ts': ['sk'],
    'lib/aws/hosts/hosts.ts': ['wakeQueueUrl'],
    'lib/aws/keys.ts': [')', 'sk'],
    'lib/aws/accounts/lanes.ts': ['messages', 'receipts'],
    'lib/aws/messages/messages.ts': ['items', 'ofContracts'],
    'lib/aws/client/objects.ts': ['keys'],
    'lib/aws/contracts/pages.ts': [')', 'name', 'rows'],
    'lib/aws/events/parked-records.ts': [')'],
    'lib/aws/client/request-signer.ts': [')', 'time'],
    'lib/aws/people/suppressions.ts': ['...open', 'last.sk', 'wanted'],
    'lib/aws/client/table.ts': ['distinct', 'requests'],
    'lib/aws/teardown.ts': ['urls'],
    'lib/aws/hosts/wake.ts': [')'],
    'lib/domain/events/message.ts': ['...stepsAt'],
    'lib/domain/files/csv.ts': ['start', 'text'],
    'lib/domain/files/file-text.ts': ['lines', 'text'],
    'lib/domain/ids.ts': [')', 'digest', 'id'],
    'lib/domain/accounts/pacing.ts': [']', 'state.minute'],
    'lib/domain/people/phone.ts': ['digits', 'number.number', 'parsed.number'],
    'lib/domain/people/number-doubts.ts': ['sorted'],
    'lib/domain/webhooks/endpoint.ts': ['...kept'],
    'lib/domain/webhooks/signature.ts': ['secret'],
    'lib/domain/well-formed.ts': ['kept', 'text'],
    'functions/api/http/field-errors.ts': ['errors'],
    'functions/api/suppressions/suppressions.ts': ['file.errors'],
    'functions/api/suppressions/file.ts': ['cell'],
    'functions/import/import-file.ts': ['etag'],
    'functions/import/read-rows.ts': ['fields'],
    'functions/webhook/batch.ts': ['finished'],
    'socket-host/account/record.ts': [']'],
    'socket-host/auth/compaction.ts': ['snapshots'],
    'socket-host/auth/object-keys.ts': ['key'],
    'socket-host/auth/versions.ts': ['keys'],
    'socket-host/host/host-deps.ts': [')'],
    'socket-host/loop/read-ahead.ts': [']'],
    'lib/sending/in-hand.ts': ['others'],
    'lib/sending/receipts.ts': [']'],
    'socket-host/baileys/content.ts': ['cards'],
    'socket-host/baileys/redaction.ts': ['digits'],
  };

  it('of text that others wrote go through one function', () => {
    const cuts = /([\w$.]+|[)\]'`])\??\s*\.(?:slice|substring|substr)\(/g;
    const found = ['lib', 'functions', 'socket-host'].flatMap(sources).flatMap((file) => {
      const name = relative(root, file);
      const code = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      const subjects = new Set([...code.matchAll(cuts)].map(([, subject = '']) => subject));
      return [...subjects]
        .filter((subject) => known[name]?.includes(subject) !== true)
        .map((what) => `${name} cuts ${what}`);
    });
    expect(found).toEqual([]);
  });
});

describe('the files', () => {
  it('stay below 400 lines', () => {
    const folders = ['bin', 'lib', 'functions', 'socket-host', 'simulator', 'local', 'bench'];
    const long = folders
      .flatMap(sources)
      .map((file) => ({ file: relative(root, file), lines: readFileSync(file, 'utf8').split('\n').length - 1 }))
      .filter(({ lines }) => lines > 400);
    expect(long).toEqual([]);
  });
});

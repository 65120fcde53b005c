import { describe, expect, it } from 'vitest';
import { codeOf, nameOf, productLayers, sources } from './sources.ts';

/** Files that still ask for a refused write by its number, or catch the refusal. The list only shrinks. */
const knownRefusals: ReadonlySet<string> = new Set([
  'functions/feed/fill-lanes.ts',
  'functions/feed/recall.ts',
  'lib/aws/contracts/jobs/retry.ts',
  'lib/aws/contracts/jobs/settle.ts',
  'lib/aws/messages/messages.ts',
  'lib/aws/messages/outcome-unknown.ts',
  'lib/sending/in-hand.ts',
  'lib/sending/receipts.ts',
  'socket-host/loop/withdrawal.ts',
]);

/** Files that still join or split keys. The list only shrinks. */
const knownKeys: ReadonlySet<string> = new Set(['lib/aws/messages/messages.ts']);

const refusals = /\bConditionFailed\b|\.failed\[|\.olds\b/;
const joinedKeys = new RegExp(
  [
    String.raw`\.split\('#'\)`,
    String.raw`'[A-Z]+#'\.length`,
    String.raw`\bskPrefix: ['\u0060]`,
    String.raw`\u0060[^\u0060]*\$\{[^}]*(?:tenantId|contractId|accountId)\}#`,
    String.raw`\u0060[^\u0060]*#\$\{[^}]*(?:tenantId|contractId|accountId)\}`,
  ].join('|'),
);

function filesWith(form: RegExp, home: (name: string) => boolean): string[] {
  return productLayers
    .flatMap(sources)
    .filter((file) => !home(nameOf(file)) && form.test(codeOf(file)))
    .map(nameOf);
}

describe('the table', () => {
  it('tells refused writes by their names: only lib/aws/client knows how DynamoDB tells them', () => {
    const found = filesWith(refusals, (name) => name.startsWith('lib/aws/client/'));
    expect(found.filter((name) => !knownRefusals.has(name))).toEqual([]);
  });

  it('has its keys and joined index values made and read by lib/aws/keys.ts alone', () => {
    const found = filesWith(joinedKeys, (name) => name === 'lib/aws/keys.ts');
    expect(found.filter((name) => !knownKeys.has(name))).toEqual([]);
  });
});

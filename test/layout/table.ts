import { describe, expect, it } from 'vitest';
import { codeOf, nameOf, productLayers, sources } from './sources.ts';

/** Files that still join or split keys. The list only shrinks. */
const knownKeys: ReadonlySet<string> = new Set(['lib/aws/messages/messages.ts']);

/** The exceptions of DynamoDB that tell of a refused write. */
const refusals = /\b(?:ConditionalCheckFailed(?:Exception)?|TransactionCanceledException|CancellationReasons)\b/;
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
    expect(filesWith(refusals, (name) => name.startsWith('lib/aws/client/'))).toEqual([]);
  });

  it('has its keys and joined index values made and read by lib/aws/keys.ts alone', () => {
    const found = filesWith(joinedKeys, (name) => name === 'lib/aws/keys.ts');
    expect(found.filter((name) => !knownKeys.has(name))).toEqual([]);
  });
});

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const names = ['api', 'feed', 'feed-changes', 'events', 'webhook', 'import', 'sweep'];

const outdir = mkdtempSync(join(tmpdir(), 'paceline-bundles-'));
const bundles: Record<string, string> = {};
afterAll(() => rmSync(outdir, { recursive: true, force: true }));

// By the command of docs/deploy.md, which reads cdk.json and runs cdk-nag.
beforeAll(() => {
  const cdk = join(process.cwd(), 'node_modules', '.bin', 'cdk');
  execFileSync(cdk, ['synth', '-c', 'stage=qa', '--quiet', '--output', outdir], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const template = JSON.parse(readFileSync(join(outdir, 'Paceline-qa-Service.template.json'), 'utf8'));
  for (const { Metadata, Properties } of Object.values<Resource>(template.Resources)) {
    const name = Metadata?.['paceline:name'];
    const key = Properties?.Code?.S3Key;
    if (name !== undefined && key !== undefined) bundles[name] = join(outdir, `asset.${key.replace('.zip', '')}`);
  }
}, 300_000);

interface Resource {
  Metadata?: Record<string, string>;
  Properties?: { Code?: { S3Key?: string } };
}

test('every function has a bundle', () => {
  expect(Object.keys(bundles).sort()).toEqual(names.toSorted());
});

test.each(names)('the bundle of %s loads alone and exports its handler', (name) => {
  const file = join(bundles[name] ?? '', 'index.mjs');
  const script = `import(${JSON.stringify(pathToFileURL(file).href)}).then(m => console.log(typeof m.handler))`;
  // Without the project's node_modules and without any variable: nothing may happen at import.
  expect(execFileSync(process.execPath, ['-e', script], { cwd: tmpdir(), env: {}, encoding: 'utf8' }).trim()).toBe(
    'function',
  );
});

test('the api bundle carries what /docs serves', () => {
  const files = ['swagger-ui-bundle.js', 'swagger-ui-standalone-preset.js', 'swagger-ui.css'];
  expect(readdirSync(join(bundles.api ?? '', 'swagger-ui')).sort()).toEqual(files);
});

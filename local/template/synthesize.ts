import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { Worker } from 'node:worker_threads';
import { readStacks, type Stack } from './stacks.ts';

export interface SynthesisRequest {
  /** Absolute path of the module that exports `buildApp({stage, context, outdir})`. */
  appFile: string;
  /** Absolute path where the cloud assembly goes. */
  outDir: string;
}

/**
 * Returns the app's stacks for the stage `local`. A synthesis takes about 3 s, so the templates are cached in `node_modules/.cache/paceline`, under a
 * hash of all source that they can depend on. Where that folder cannot be written, each start synthesizes.
 */
export async function synthesize(projectDir: string, appFile: string): Promise<Stack[]> {
  const cacheDir = join(projectDir, 'node_modules', '.cache', 'paceline');
  const kept = join(cacheDir, `synth-${sourceHash(projectDir, appFile)}`);
  if (existsSync(join(kept, 'manifest.json'))) return readStacks(kept);
  const outDir = mkdtempSync(join(tmpdir(), 'paceline-synth-'));
  try {
    await runWorker({ appFile, outDir });
    const stacks = readStacks(outDir);
    keep(outDir, cacheDir, kept);
    return stacks;
  } finally {
    rmSync(outDir, { recursive: true, force: true });
  }
}

function keep(outDir: string, cacheDir: string, kept: string): void {
  const fresh = `${kept}.${process.pid}.${Date.now()}`;
  try {
    mkdirSync(fresh, { recursive: true });
    for (const file of readdirSync(outDir)) {
      if (/^manifest\.json$|\.template\.json$/.test(file)) copyFileSync(join(outDir, file), join(fresh, file));
    }
    removeOlder(cacheDir);
    renameSync(fresh, kept);
  } catch {
    // The folder cannot be written, or another start was faster: only time is lost.
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** A hash of the app's folder, of lib/ and of the settings and versions the CDK reads. */
function sourceHash(projectDir: string, appFile: string): string {
  const hash = createHash('sha256').update(process.version);
  const add = (file: string): void => {
    if (existsSync(file)) hash.update(relative(projectDir, file)).update('\0').update(readFileSync(file)).update('\0');
  };
  for (const dir of new Set([dirname(appFile), join(projectDir, 'lib')])) {
    if (!existsSync(dir)) continue;
    for (const file of readdirSync(dir, { recursive: true, encoding: 'utf8' }).sort()) {
      if (/\.(ts|json)$/.test(file)) add(join(dir, file));
    }
  }
  for (const name of ['cdk.json', 'cdk.context.json', 'package.json', 'package-lock.json']) add(join(projectDir, name));
  return hash.digest('hex').slice(0, 24);
}

const KEPT_ASSEMBLIES = 4;

function removeOlder(cacheDir: string): void {
  const newestFirst = readdirSync(cacheDir)
    .filter((name) => /^synth-[0-9a-f]+$/.test(name))
    .map((name) => ({ path: join(cacheDir, name), at: statSync(join(cacheDir, name)).mtimeMs }))
    .sort((a, b) => b.at - a.at);
  for (const { path } of newestFirst.slice(KEPT_ASSEMBLIES)) rmSync(path, { recursive: true, force: true });
}

function runWorker(request: SynthesisRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./synth-worker.ts', import.meta.url), {
      workerData: request,
      execArgv: ['--disable-warning=ExperimentalWarning'],
      stdout: true,
      stderr: true,
    });
    let problem = '';
    worker.stderr.on('data', (chunk) => {
      problem = (problem + chunk).slice(-4000);
    });
    worker.once('error', (cause) =>
      reject(
        new Error(`The CDK app could not be synthesized: ${cause instanceof Error ? cause.message : cause}`, { cause }),
      ),
    );
    worker.once('exit', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`The CDK app could not be synthesized: ${problem.trim() || `exit code ${code}`}`));
    });
  });
}

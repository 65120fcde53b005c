import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startBoundProgram } from '../process/bound-program.ts';
import { awsJson } from './aws-json.ts';
import { expireItems, prepareStream, trimStream } from './dynoxide-database.ts';

/**
 * The process that runs dynoxide as its child, so that dynoxide ends even after a SIGKILL of the supervisor. It adds three things that dynoxide
 * lacks: an index that keeps writes fast while a stream is on, trimming of old stream records, and TTL.
 *
 * Argument: `{"binary","port","dataDir"}`. Sends `{type:'ready', port, pid}` once the port responds. Exits with 1 when dynoxide ends.
 */
interface Settings {
  binary: string;
  port: number;
  dataDir: string;
}

const HOUSEKEEPING_MS = 60_000;
const STREAM_KEPT_MS = 60 * 60_000;

async function run({ binary, port, dataDir }: Settings): Promise<void> {
  mkdirSync(dataDir, { recursive: true });
  const file = join(dataDir, 'dynoxide.sqlite');
  const args = ['--host', '127.0.0.1', '--port', String(port), '--db-path', file];
  const child = startBoundProgram(binary, args, join(dataDir, 'dynoxide.pid'), file);
  child.once('exit', (code, signal) => {
    console.error(`dynoxide ended: ${signal ?? code}`);
    process.exit(1);
  });
  child.once('error', (error) => {
    console.error(`dynoxide did not start: ${error.message}`);
    process.exit(1);
  });
  const end = (): void => {
    child.removeAllListeners('exit');
    child.kill('SIGKILL');
    process.exit(0);
  };
  process.once('SIGTERM', end);
  process.once('disconnect', end);
  process.once('exit', () => child.kill('SIGKILL'));
  const endpoint = `http://127.0.0.1:${port}`;
  await answers(endpoint);
  prepareStream(file);
  process.send?.({ type: 'ready', port, pid: child.pid });
  for (;;) {
    await sleep(HOUSEKEEPING_MS);
    try {
      trimStream(file, Date.now() - STREAM_KEPT_MS);
      await expireItems(file, endpoint, Date.now());
    } catch (error) {
      // Not fatal: the next round, a minute later, tries again.
      console.error(`housekeeping failed: ${error instanceof Error ? error.message : error}`);
    }
  }
}

async function answers(endpoint: string): Promise<void> {
  for (;;) {
    try {
      await awsJson(endpoint, 'DynamoDB_20120810.ListTables', { Limit: 1 });
      return;
    } catch {
      await sleep(10);
    }
  }
}

const settings: Settings = JSON.parse(process.argv[2] ?? '{}');
await run(settings);

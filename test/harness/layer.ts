import childProcess, { ChildProcess } from 'node:child_process';
import { syncBuiltinESMExports } from 'node:module';
import { Socket } from 'node:net';
import { expect } from 'vitest';

/**
 * Setup file of all layers: keeps a test file in the layer that its name says. A `.test.ts` starts no process and connects to loopback only. A
 * `.store` or `.host` test starts no process but the emulator of DynamoDB. A test in the wrong layer fails with the name that its file needs.
 */
const layer = /\.(store|host|system)\.test\.ts$/.exec(expect.getState().testPath ?? '')?.[1] ?? 'unit';
const emulator = /@dynoxide|^setpriv$/;

/** The layer to check. It is global because the wrappers below are set once per worker and outlive the modules of a file. */
const current = globalThis as { pacelineTestLayer?: string };
if (current.pacelineTestLayer === undefined) guard();
current.pacelineTestLayer = layer;

function refuse(what: string, needed: string): never {
  throw new Error(`A ${current.pacelineTestLayer} test must not ${what}: name the file \`.${needed}.test.ts\`.`);
}

function allowProcess(program: string): void {
  if (current.pacelineTestLayer === 'system') return;
  if (current.pacelineTestLayer !== 'unit' && emulator.test(program)) return;
  refuse(`start ${program}`, 'system');
}

function allowConnection(host: unknown): void {
  if (current.pacelineTestLayer !== 'unit' || host === undefined) return;
  if (!/^(localhost|127\.[\d.]+|::1)$/.test(String(host))) refuse(`connect to ${host}`, 'store');
}

function guard(): void {
  const prototype = ChildProcess.prototype as unknown as { spawn(options: { file: string }): number };
  const { spawn } = prototype;
  prototype.spawn = function guarded(options) {
    allowProcess(options.file);
    return spawn.call(this, options);
  };
  for (const name of ['spawnSync', 'execFileSync', 'execSync'] as const) {
    const before = childProcess[name] as (program: string, ...rest: unknown[]) => unknown;
    Object.assign(childProcess, {
      [name]: (program: string, ...rest: unknown[]) => {
        allowProcess(program);
        return before(program, ...rest);
      },
    });
  }
  syncBuiltinESMExports();
  const { connect } = Socket.prototype;
  Socket.prototype.connect = function guarded(this: Socket, ...args: unknown[]) {
    const [first, second] = args.flat();
    allowConnection(typeof first === 'object' && first !== null ? (first as { host?: unknown }).host : second);
    return (connect as (...all: unknown[]) => Socket).apply(this, args);
  } as typeof connect;
}

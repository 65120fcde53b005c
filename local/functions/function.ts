import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Child } from '../process/child.ts';
import type { FunctionPlan } from '../template/plan.ts';
import { type FunctionIdentity, type InvokeMessage, isResult } from './protocol.ts';

/** The result of an invocation. `unavailable`: no process was ready; `crashed`: the process ended during it. */
export type Outcome =
  | { kind: 'ok'; value: unknown }
  | { kind: 'error'; name: string; message: string }
  | { kind: 'timeout' | 'crashed' | 'unavailable' | 'too-large' };

export interface Invocable {
  readonly name: string;
  /** Resolves at the latest after the function's timeout, or after `timeoutMs` if that is shorter. */
  invoke(event: unknown, timeoutMs?: number): Promise<Outcome>;
  /** Waits until a process can take invocations. */
  available(signal: AbortSignal): Promise<void>;
}

/** Lambda's limit for an event and for a response. */
const MAX_PAYLOAD_BYTES = 6 * 1024 * 1024;
const FUNCTION_GRACE_MS = 1500;

interface Pending {
  finish(outcome: Outcome): void;
}

/** One Lambda function as a process that is kept running. */
export class LocalFunction implements Invocable {
  readonly name: string;
  readonly #plan: FunctionPlan;
  readonly #child: Child;
  readonly #pending = new Map<string, Pending>();

  constructor(options: {
    plan: FunctionPlan;
    entryFile: string;
    environment: () => Record<string, string>;
    /** Overrides the environment of the template. */
    more: () => Record<string, string>;
    logPath: string;
    projectDir: string;
    onChange: () => void;
    onRestart: (sentence: string) => void;
  }) {
    const { plan } = options;
    this.name = plan.name;
    this.#plan = plan;
    const identity: FunctionIdentity = {
      name: plan.name,
      arn: plan.arn,
      functionName: plan.functionName,
      entryFile: options.entryFile,
      handler: plan.handler,
      memoryMb: plan.memoryMb,
    };
    this.#child = new Child({
      name: `function ${plan.name}`,
      launch: () => ({
        entry: new URL('../function-process.ts', import.meta.url).pathname,
        args: [JSON.stringify(identity)],
        env: { ...options.environment(), ...lambdaEnvironment(plan), ...options.more() },
        cwd: options.projectDir,
      }),
      logPath: options.logPath,
      readyBy: 'message',
      graceMs: FUNCTION_GRACE_MS,
      onReady: options.onChange,
      onRestart: options.onRestart,
      onMessage: (message) => {
        if (!isResult(message)) return;
        const pending = this.#pending.get(message.id);
        if (message.type === 'result') pending?.finish(ok(message.value));
        else pending?.finish({ kind: 'error', name: message.name, message: message.message });
      },
      onExit: () => {
        for (const pending of this.#pending.values()) pending.finish({ kind: 'crashed' });
      },
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  async start(): Promise<void> {
    await this.#child.start();
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async stop(): Promise<void> {
    await this.#child.stop();
  }

  async available(signal: AbortSignal): Promise<void> {
    while (!this.#child.ready && !signal.aborted) await sleep(20, undefined, { signal }).catch(() => undefined);
  }

  invoke(event: unknown, timeoutMs = this.#plan.timeoutMs): Promise<Outcome> {
    if (sizeOf(event) > MAX_PAYLOAD_BYTES) return Promise.resolve({ kind: 'too-large' });
    if (!this.#child.ready) return Promise.resolve({ kind: 'unavailable' });
    const limitMs = Math.min(timeoutMs, this.#plan.timeoutMs);
    const id = randomUUID();
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        finish({ kind: 'timeout' });
        // As Lambda does. Otherwise the invocation could run on and overlap with its retry.
        if (limitMs === this.#plan.timeoutMs) this.#child.kill('SIGKILL');
      }, limitMs);
      const finish = (outcome: Outcome): void => {
        clearTimeout(timer);
        this.#pending.delete(id);
        resolve(outcome);
      };
      this.#pending.set(id, { finish });
      // The deadline is that of the function, even if the caller waits for a shorter time.
      const message: InvokeMessage = { type: 'invoke', id, event, deadlineMs: Date.now() + this.#plan.timeoutMs };
      if (!this.#child.send(message)) finish({ kind: 'unavailable' });
    });
  }
}

function ok(value: unknown): Outcome {
  return sizeOf(value) > MAX_PAYLOAD_BYTES
    ? { kind: 'error', name: 'Function.ResponseSizeTooLarge', message: 'The answer is above 6 MB.' }
    : { kind: 'ok', value };
}

/** Returns the size as Lambda counts it: that of the JSON, in which quotes, backslashes and line breaks of a body are escaped. */
function sizeOf(payload: unknown): number {
  return Buffer.byteLength(JSON.stringify(payload) ?? '');
}

function lambdaEnvironment(plan: FunctionPlan): Record<string, string> {
  return {
    ...plan.environment,
    AWS_LAMBDA_FUNCTION_NAME: plan.functionName,
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(plan.memoryMb),
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_LOG_GROUP_NAME: `/aws/lambda/${plan.functionName}`,
    AWS_LAMBDA_LOG_STREAM_NAME: 'local',
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    TZ: ':UTC',
  };
}

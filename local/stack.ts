import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bootstrap } from './bootstrap.ts';
import { DataFolder, type LocalState } from './data-folder.ts';
import { type Emulators, startEmulators } from './emulators/emulators.ts';
import { LocalFunction } from './functions/function.ts';
import { type Gateway, startGateway } from './gateway/gateway.ts';
import { type LocalHost, localHost } from './hosts.ts';
import { childEnvironment, type Endpoints } from './process/environment.ts';
import { LogFile } from './process/log-file.ts';
import { destroyLocalClients, type LocalClients, localClients, provision } from './provision/provision.ts';
import { type LocalSimulator, startSimulatorChild } from './simulator-child.ts';
import { startSources } from './sources/sources.ts';
import type { LocalPlan } from './template/plan.ts';
import { synthesize } from './template/synthesize.ts';

export interface LocalOptions {
  dataDir: string;
  /** Port of the HTTP API. Default: the port of the last run, or a free one. */
  port?: number;
  /** Socket hosts, default 1. */
  hosts?: number;
  /** `real`: WhatsApp's own server instead of the simulator. */
  whatsapp?: 'simulator' | 'real';
  /** Further environment of functions and hosts; overrides the template's. */
  env?: Record<string, string>;
  /** Further environment of every process, emulators and simulator included. */
  processEnv?: Record<string, string>;
  /** Further environment of host 1, 2, ..; called at each start of its process; overrides `env`. */
  hostEnv?: (index: number) => Record<string, string>;
  /** Called with the addresses of the emulators, before any process that uses them starts. */
  onEndpoints?: (endpoints: Endpoints) => void;
  /** Empties the data folder first. */
  reset?: boolean;
  /** Called with one short sentence for each step. Default: the sentences go to stderr unless `quiet`. */
  onProgress?: (sentence: string) => void;
  quiet?: boolean;
  /** Called with one sentence when a process has ended and was restarted. */
  onRestart?: (sentence: string) => void;
  /** The project to run; default: the one this file is in. `appFile` is relative to it. */
  projectDir?: string;
  appFile?: string;
}

export interface LocalStack {
  apiUrl: string;
  apiKey: string;
  adminKey: string;
  /** Undefined with `whatsapp: 'real'` or when the user's WHATSAPP_URL is used. */
  simulatorUrl: string | undefined;
  dataDir: string;
  /** URLs of the user's own WhatsApp, DynamoDB, SQS and S3, by these names. */
  elsewhere: Record<string, string>;
  /** The hosts at the moment of reading; pids change when a process is restarted. */
  readonly hosts: { id: string; pid: number; metricsUrl: string | undefined }[];
  readonly functions: { name: string; pid: number }[];
  readonly simulator: { url: string; pid: number } | undefined;
  /** Kills a child without warning; it is restarted within 2 s. `child`: `host-1`, `simulator`, `dynamodb`, `queues-and-objects` or a function's name. */
  kill(child: string, signal?: NodeJS.Signals): void;
  /** Sentences about parts of the template that do not run here. */
  warnings: string[];
  /** Ends everything in order and keeps the data. Further calls return the same promise. */
  stop(): Promise<void>;
}

/** Starts the whole product on this machine. When a part does not start, it ends the others and rejects. */
export async function startLocal(options: LocalOptions): Promise<LocalStack> {
  const folder = new DataFolder(options.dataDir, { reset: options.reset === true });
  const runner = new Runner(options, folder);
  try {
    return await runner.start();
  } catch (error) {
    await runner.stop();
    throw error;
  }
}

const PROJECT_DIR = dirname(dirname(fileURLToPath(import.meta.url)));

class Runner {
  readonly #options: LocalOptions;
  readonly #folder: DataFolder;
  readonly #projectDir: string;
  readonly #log: LogFile;
  #gateway: Gateway | undefined;
  #emulators: Emulators | undefined;
  #clients: LocalClients | undefined;
  #simulator: LocalSimulator | undefined;
  #functions: LocalFunction[] = [];
  #hosts: LocalHost[] = [];
  #stopSources: () => Promise<void> = async () => undefined;
  #complete = false;
  #stopped: Promise<void> | undefined;

  constructor(options: LocalOptions, folder: DataFolder) {
    this.#options = options;
    this.#folder = folder;
    this.#projectDir = options.projectDir ?? PROJECT_DIR;
    this.#log = new LogFile(folder.logPath('local'));
  }

  async start(): Promise<LocalStack> {
    const { onProgress, quiet } = this.#options;
    const say = onProgress ?? ((sentence: string): void => (quiet === true ? undefined : console.error(sentence)));
    say('Reading the template and starting the emulators');
    const appFile = join(this.#projectDir, this.#options.appFile ?? join('lib', 'infra', 'app.ts'));
    const [stacks] = await allEnded([synthesize(this.#projectDir, appFile), this.#startGateway(), this.#startBase()]);
    const gateway = this.#gateway;
    const emulators = this.#emulators;
    if (gateway === undefined || emulators === undefined) throw new Error('The emulators are not there.');
    this.#folder.savePorts();

    say('Provisioning');
    const clients = localClients(emulators.endpoints);
    this.#clients = clients;
    const addresses = { apiUrl: gateway.url, sqsUrl: emulators.endpoints.sqs };
    const plan = await provision(stacks, clients, addresses, { ownS3: emulators.elsewhere.s3 !== undefined });
    const table = plan.tables[0];
    if (table !== undefined) await bootstrap(clients.dynamodb, table.name, this.#folder.keys);

    say('Starting functions and hosts');
    this.#functions = plan.functions.map((one) => this.#makeFunction(one));
    this.#hosts = this.#makeHosts(plan);
    await allEnded([
      ...this.#functions.map((one) => one.start()),
      ...this.#hosts.map((one) => one.child.start().then(() => undefined)),
    ]);
    this.#stopSources = await this.#connect(plan, gateway);
    await waitForHealth(gateway.url);
    this.#complete = true;
    this.#saveState();
    return this.#stack(gateway, plan);
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#end();
    return this.#stopped;
  }

  /** Stops in the order of dependence: sources of work, then functions and hosts, then simulator and emulators. */
  async #end(): Promise<void> {
    this.#complete = false;
    await Promise.all([this.#gateway?.close(), this.#stopSources()]);
    await Promise.all([...this.#hosts.map((one) => one.child.stop()), ...this.#functions.map((one) => one.stop())]);
    await Promise.all([this.#simulator?.child.stop(), ...(this.#emulators?.children ?? []).map((one) => one.stop())]);
    if (this.#clients !== undefined) destroyLocalClients(this.#clients);
    this.#log.close();
    this.#folder.close();
  }

  async #startGateway(): Promise<void> {
    const wanted = this.#options.port ?? this.#folder.ports.gateway ?? 0;
    try {
      this.#gateway = await startGateway(wanted);
    } catch (error) {
      // A port that the user asked for must be free; the port of the last run may change.
      if (this.#options.port !== undefined) {
        throw new Error(
          `Port ${wanted} of 127.0.0.1 cannot be used: ${error instanceof Error ? error.message : error}`,
        );
      }
      this.#gateway = await startGateway(0);
    }
    this.#folder.ports.gateway = Number(new URL(this.#gateway.url).port);
  }

  async #startBase(): Promise<void> {
    this.#emulators = await startEmulators({
      folder: this.#folder,
      projectDir: this.#projectDir,
      more: this.#options.processEnv,
      onRestart: this.#onRestart,
    });
    this.#options.onEndpoints?.(this.#emulators.endpoints);
    const inSimulation = this.#options.whatsapp !== 'real' && !process.env.WHATSAPP_URL;
    if (!inSimulation || !existsSync(join(this.#projectDir, 'simulator', 'main.ts'))) return;
    this.#simulator = await startSimulatorChild(this.#folder, this.#projectDir, this.#environment(), this.#onRestart);
  }

  #elsewhere(): Record<string, string> {
    const { dynamodb, sqs, s3 } = this.#emulators?.elsewhere ?? {};
    const { WHATSAPP_URL: whatsapp } = process.env;
    const given = { WhatsApp: whatsapp, DynamoDB: dynamodb, SQS: sqs, S3: s3 };
    return Object.fromEntries(Object.entries(given).flatMap(([name, url]) => (url ? [[name, url]] : [])));
  }

  readonly #onRestart = (sentence: string): void => {
    this.#note(sentence);
    this.#options.onRestart?.(sentence);
  };

  #environment(): Record<string, string> {
    if (this.#emulators === undefined) throw new Error('The emulators are not there.');
    return { ...childEnvironment(this.#emulators.endpoints, this.#projectDir), ...this.#options.processEnv };
  }

  #makeFunction(plan: LocalPlan['functions'][number]): LocalFunction {
    return new LocalFunction({
      plan,
      entryFile: join(this.#projectDir, plan.entry),
      environment: () => this.#environment(),
      more: () => this.#options.env ?? {},
      logPath: this.#folder.logPath(plan.name),
      projectDir: this.#projectDir,
      onChange: () => this.#saveState(),
      onRestart: this.#onRestart,
    });
  }

  #makeHosts({ host }: LocalPlan): LocalHost[] {
    if (host === undefined) return [];
    return Array.from({ length: this.#options.hosts ?? 1 }, (_, at) =>
      localHost({
        index: at + 1,
        plan: host,
        projectDir: this.#projectDir,
        dataDir: this.#folder.folder('hosts', String(at + 1)),
        logPath: this.#folder.logPath(`host-${at + 1}`),
        environment: () => this.#environment(),
        more: () => ({ ...this.#options.env, ...this.#options.hostEnv?.(at + 1) }),
        whatsapp: () => this.#simulator?.whatsapp ?? {},
        onChange: () => this.#saveState(),
        onRestart: this.#onRestart,
      }),
    );
  }

  async #connect(plan: LocalPlan, gateway: Gateway): Promise<() => Promise<void>> {
    const targets = new Map(plan.functions.map((one, at) => [one.arn, this.#functions[at]]));
    const target = (arn: string): LocalFunction => {
      const found = targets.get(arn);
      if (found === undefined) throw new Error(`There is no function ${arn}.`);
      return found;
    };
    gateway.setRoutes(plan.routes.map((route) => ({ ...route, target: target(route.functionArn) })));
    const clients = this.#clients;
    const endpoints = this.#emulators?.endpoints;
    if (clients === undefined || endpoints === undefined) throw new Error('The emulators are not there.');
    return startSources({ plan, target, clients, endpoints, folder: this.#folder, log: (line) => this.#note(line) });
  }

  #note(line: string): void {
    this.#log.write(`${new Date().toISOString()} ${line}\n`);
  }

  #saveState(): void {
    if (!this.#complete || this.#gateway === undefined) return;
    const state: LocalState = {
      pid: process.pid,
      apiUrl: this.#gateway.url,
      ...this.#folder.keys,
      simulatorUrl: this.#simulator?.url,
      hosts: this.#hostStates(),
      functions: this.#functionStates(),
    };
    this.#folder.saveState(state);
  }

  #hostStates(): LocalState['hosts'] {
    return this.#hosts.flatMap(({ child, ready }) =>
      child.pid === undefined ? [] : [{ id: ready.hostId, pid: child.pid, metricsUrl: ready.metricsUrl }],
    );
  }

  #functionStates(): LocalState['functions'] {
    return this.#functions.flatMap(({ name, pid }) => (pid === undefined ? [] : [{ name, pid }]));
  }

  #stack(gateway: Gateway, plan: LocalPlan): LocalStack {
    const runner = this;
    return {
      apiUrl: gateway.url,
      ...this.#folder.keys,
      simulatorUrl: this.#simulator?.url,
      dataDir: this.#folder.path,
      elsewhere: this.#elsewhere(),
      get hosts() {
        return runner.#hostStates();
      },
      get functions() {
        return runner.#functionStates();
      },
      get simulator() {
        const simulator = runner.#simulator;
        return simulator?.child.pid === undefined ? undefined : { url: simulator.url, pid: simulator.child.pid };
      },
      kill: (name, signal = 'SIGKILL') => this.#kill(name, signal),
      warnings: plan.warnings,
      stop: () => this.stop(),
    };
  }

  #kill(name: string, signal: NodeJS.Signals): void {
    const found =
      this.#functions.find((one) => one.name === name) ??
      this.#hosts.find((one) => `host-${one.index}` === name)?.child ??
      [this.#simulator?.child, ...(this.#emulators?.children ?? [])].find((one) => one?.name === name);
    if (found === undefined) throw new Error(`There is no child ${name}.`);
    found.kill(signal);
  }
}

/** Works like Promise.all, but rejects only after all have settled, so that the started parts can be stopped. */
async function allEnded<T extends readonly unknown[] | []>(
  work: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  await Promise.allSettled(work);
  return Promise.all(work);
}

const HEALTH_WITHIN_MS = 20_000;

async function waitForHealth(apiUrl: string): Promise<void> {
  const until = performance.now() + HEALTH_WITHIN_MS;
  for (;;) {
    const response = await fetch(`${apiUrl}/health`).catch(() => undefined);
    const text = await response?.text();
    if (response?.status === 200) return;
    if (performance.now() > until) throw new Error(`GET /health answers ${response?.status}: ${text?.slice(0, 300)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

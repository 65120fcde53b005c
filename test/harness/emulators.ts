import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Clients, createClients, destroyClients } from '../../lib/aws/client/clients.ts';
import { createDeps, type Deps } from '../../lib/aws/deps.ts';
import { type FunctionConfig, functionConfig } from '../../lib/runtime/config.ts';
import { freePort } from '../../local/emulators/ports.ts';
import { startS3 } from '../../local/emulators/s3.ts';
import { startSqs } from '../../local/emulators/sqs.ts';
import { canTie } from '../../local/process/bound-program.ts';
import { type Endpoints, LOCAL_CREDENTIALS, LOCAL_REGION } from '../../local/process/environment.ts';
import { destroyLocalClients, localClients, provision } from '../../local/provision/provision.ts';
import type { Stack } from '../../local/template/stacks.ts';
import { synthesize } from '../../local/template/synthesize.ts';

export interface Emulators {
  clients: Clients;
  config: FunctionConfig;
  deps: Deps;
  /** The environment a function process would have; the same values are set in process.env until stop(). */
  env: Record<string, string>;
  stop(): Promise<void>;
}

const PROJECT_DIR = fileURLToPath(new URL('../../', import.meta.url));

/** The three services of one worker, and the templates from which each file's resources are created. */
interface Services {
  endpoints: Endpoints;
  stacks: Stack[];
  files: number;
}

let started: Promise<Services> | undefined;

/**
 * Starts DynamoDB (dynoxide, in memory), SQS and S3 (those of local mode) on free loopback ports. Creates the table, buckets and queues of the
 * synthesized template, all empty. The services start once per worker; each call creates resources of its own, under a stage of its own.
 */
export async function startEmulators(): Promise<Emulators> {
  started ??= startServices();
  const services = await started;
  services.files += 1;
  const env: Record<string, string> = {
    AWS_REGION: LOCAL_REGION,
    AWS_ACCESS_KEY_ID: LOCAL_CREDENTIALS.accessKeyId,
    AWS_SECRET_ACCESS_KEY: LOCAL_CREDENTIALS.secretAccessKey,
    AWS_ENDPOINT_URL_DYNAMODB: services.endpoints.dynamodb,
    AWS_ENDPOINT_URL_SQS: services.endpoints.sqs,
    AWS_ENDPOINT_URL_S3: services.endpoints.s3,
    POWERTOOLS_METRICS_DISABLED: 'true',
    ...(await provisioned(services, `test${services.files}`)),
    LOG_LEVEL: 'error',
  };
  const before = setEnv(env);
  const clients = createClients();
  const config = functionConfig(env);
  return {
    clients,
    config,
    deps: createDeps(config, clients),
    env,
    async stop() {
      setEnv(before);
      destroyClients(clients);
    },
  };
}

/** Starts the services. They end with the worker, which vitest ends by SIGTERM. Where `setpriv` exists, the kernel then ends dynoxide. */
async function startServices(): Promise<Services> {
  const folder = mkdtempSync(join(tmpdir(), 'paceline-emulators-'));
  const port = await freePort();
  const dynamo = startDynamo(port);
  process.once('exit', () => {
    dynamo.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  });
  process.once('SIGTERM', () => process.exit());
  const [stacks, sqs] = await Promise.all([
    synthesize(PROJECT_DIR, join(PROJECT_DIR, 'lib', 'infra', 'app.ts')),
    startSqs({ port: 0, dataDir: join(folder, 'sqs') }),
    waitForPort(port, dynamo),
  ]);
  const s3 = await startS3({ port: 0, dataDir: join(folder, 's3'), deliver: sqs.deliver });
  return { endpoints: { dynamodb: `http://127.0.0.1:${port}`, sqs: sqs.url, s3: s3.url }, stacks, files: 0 };
}

/** Creates all resources of the template under this stage. Returns their names as the environment variables of the API function. */
async function provisioned({ endpoints, stacks }: Services, stage: string): Promise<Record<string, string>> {
  const clients = localClients(endpoints);
  try {
    const addresses = { apiUrl: 'http://127.0.0.1', sqsUrl: endpoints.sqs };
    const own = stacks.map((stack) => forStage(stack, stage));
    const { functions } = await provision(own, clients, addresses);
    const environment = functions.find(({ name }) => name === 'api')?.environment;
    return Object.fromEntries(Object.entries(environment ?? {}).filter(([name]) => !/^(NODE|POWERTOOLS)_/.test(name)));
  } finally {
    destroyLocalClients(clients);
  }
}

/** Renames the stage. `local` allows things that production refuses, such as loopback webhooks, so tests use another name. */
function forStage({ name, template }: Stack, stage: string): Stack {
  const text = JSON.stringify(template).replaceAll('paceline-local-', `paceline-${stage}-`);
  return { name, template: JSON.parse(text.replaceAll('"STAGE":"local"', `"STAGE":"${stage}"`)) };
}

function startDynamo(port: number): ChildProcess {
  const binary = fileURLToPath(new URL('../../node_modules/@dynoxide/linux-x64/dynoxide', import.meta.url));
  const [program = binary, ...before] = canTie() ? ['setpriv', '--pdeathsig', 'KILL', '--', binary] : [binary];
  return spawn(program, [...before, '--port', String(port)], { stdio: 'ignore' });
}

/** Sets environment variables of this process and returns their former values. */
function setEnv(values: Record<string, string | undefined>): Record<string, string | undefined> {
  const before: Record<string, string | undefined> = {};
  for (const [name, value] of Object.entries(values)) {
    before[name] = process.env[name];
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }
  return before;
}

async function waitForPort(port: number, child: ChildProcess): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt++) {
    if (child.exitCode !== null) throw new Error(`dynoxide ended with ${child.exitCode}`);
    try {
      await fetch(`http://127.0.0.1:${port}/`);
      return;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
  }
  throw new Error('dynoxide did not start within 3 s');
}

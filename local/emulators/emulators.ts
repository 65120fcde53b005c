import { type DataFolder, UsageError } from '../data-folder.ts';
import { Child } from '../process/child.ts';
import { childEnvironment, type Endpoints } from '../process/environment.ts';
import { findDynoxide } from './dynoxide-binary.ts';
import { freePort } from './ports.ts';

export interface Emulators {
  endpoints: Endpoints;
  /** The endpoints of the user's own services. These services need no emulator. */
  elsewhere: Partial<Endpoints>;
  children: Child[];
}

const EMULATOR_GRACE_MS = 2000;

/** Starts an emulator for each of AWS_ENDPOINT_URL_DYNAMODB, _SQS and _S3 that is not set. Reuses the ports of the last run where they are free. */
export async function startEmulators(options: {
  folder: DataFolder;
  projectDir: string;
  /** Further environment variables of the emulators. */
  more?: Record<string, string> | undefined;
  onRestart?: (sentence: string) => void;
}): Promise<Emulators> {
  const { folder, projectDir, more, onRestart } = options;
  const given = endpointsGiven(process.env);
  const { ports } = folder;
  const local = async (name: 'dynamodb' | 'sqs' | 's3'): Promise<string> => {
    ports[name] = await freePort(ports[name]);
    return `http://127.0.0.1:${ports[name]}`;
  };
  // One after the other, so that two of them are not given the same port.
  const endpoints: Endpoints = {
    dynamodb: given.dynamodb ?? (await local('dynamodb')),
    sqs: given.sqs ?? (await local('sqs')),
    s3: given.s3 ?? (await local('s3')),
  };
  const env = { ...childEnvironment(endpoints, projectDir), ...more };
  const child = (name: string, file: string, settings: object): Child =>
    new Child({
      name,
      launch: () => ({ entry: new URL(file, import.meta.url).pathname, args: [JSON.stringify(settings)], env }),
      logPath: folder.logPath(name),
      readyBy: 'message',
      graceMs: EMULATOR_GRACE_MS,
      ...(onRestart === undefined ? {} : { onRestart }),
    });
  const children: Child[] = [];
  if (given.dynamodb === undefined) {
    const binary = findDynoxide();
    if (binary === undefined) {
      throw new UsageError(
        'No DynamoDB was found: install the optional packages (Linux x64), put `dynoxide` on the PATH, or set AWS_ENDPOINT_URL_DYNAMODB.',
      );
    }
    const dataDir = folder.folder('dynamodb');
    children.push(child('dynamodb', './dynamodb.ts', { binary, port: ports.dynamodb, dataDir }));
  }
  if (given.sqs === undefined || given.s3 === undefined) {
    const settings = {
      ...(given.sqs === undefined ? { sqsPort: ports.sqs } : {}),
      ...(given.s3 === undefined ? { s3Port: ports.s3 } : {}),
      dataDir: folder.path,
    };
    children.push(child('queues-and-objects', './queues-and-objects.ts', settings));
  }
  const started = await Promise.allSettled(children.map((one) => one.start()));
  const failed = started.find((one) => one.status === 'rejected');
  if (failed !== undefined) {
    await Promise.all(children.map((one) => one.stop()));
    throw failed.reason;
  }
  return { endpoints, elsewhere: given, children };
}

/** Returns the endpoints that are set. An empty variable counts as not set, as in the SDK. */
function endpointsGiven(env: NodeJS.ProcessEnv): Partial<Endpoints> {
  const { AWS_ENDPOINT_URL_DYNAMODB: dynamodb, AWS_ENDPOINT_URL_SQS: sqs, AWS_ENDPOINT_URL_S3: s3 } = env;
  return { ...(dynamodb && { dynamodb }), ...(sqs && { sqs }), ...(s3 && { s3 }) };
}

import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdirSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import type { DatabaseSync } from 'node:sqlite';
import { buildApp } from 'fauxqs';
import { LOCAL_REGION } from '../process/environment.ts';

/** Types that fauxqs does not export: those of its stores. They are created here and passed to `buildApp`, so that they persist. */
interface Queue {
  persistence?: Persistence;
  enqueue(message: object): void;
  waitForMessages(waitTimeSec: number): Promise<void>;
}
interface Persistence {
  db: DatabaseSync;
  loadSqsAndSns(sqs: SqsStore, sns: object): void;
  updateMessageReady(messageId: string): void;
  close(): void;
}
interface SqsStore {
  host: string;
  persistence?: Persistence;
  allQueues(): Iterable<Queue>;
  getQueueByArn(arn: string): Queue | undefined;
}
interface SqsStoreClass {
  new (): SqsStore;
  createMessage(body: string): object;
}

export interface SqsEmulator {
  url: string;
  /** Puts a message into a standard queue, as another AWS service would. Returns false when the queue does not exist. */
  deliver(queueArn: string, body: string): boolean;
  /** Further calls return the same promise. */
  close(): Promise<void>;
}

/** Serves SQS on 127.0.0.1. Its state in `dataDir` survives SIGKILL. */
export async function startSqs(options: { port: number; dataDir: string }): Promise<SqsEmulator> {
  mkdirSync(options.dataDir, { recursive: true });
  const part = async <T>(path: string): Promise<T> => import(new URL(path, import.meta.resolve('fauxqs')).href);
  const { SqsStore, SqsQueue } = await part<{ SqsStore: SqsStoreClass; SqsQueue: { prototype: Queue } }>(
    './sqs/sqsStore.js',
  );
  const { SnsStore } = await part<{ SnsStore: new () => object }>('./sns/snsStore.js');
  const { S3Store } = await part<{ S3Store: new () => object }>('./s3/s3Store.js');
  const { PersistenceManager } = await part<{ PersistenceManager: new (dir: string) => Persistence }>(
    './persistence.js',
  );

  const sqsStore = new SqsStore();
  const snsStore = new SnsStore();
  // Queue URLs then have the address of the request, instead of a host name that does not resolve.
  sqsStore.host = '';
  const persistence = new PersistenceManager(options.dataDir);
  makePersistenceSound(persistence);
  persistence.loadSqsAndSns(sqsStore, snsStore);
  sqsStore.persistence = persistence;
  for (const queue of sqsStore.allQueues()) queue.persistence = persistence;

  const stores = { sqsStore, snsStore, s3Store: new S3Store() } as unknown as NonNullable<
    NonNullable<Parameters<typeof buildApp>[0]>['stores']
  >;
  const app = buildApp({ logger: false, defaultRegion: LOCAL_REGION, stores });
  const callers = new AsyncLocalStorage<Socket>();
  app.addHook('preHandler', (request, _reply, done) => callers.run(request.raw.socket, done));
  leaveGoneCallersEmptyHanded(SqsQueue.prototype, callers);
  await listen(app, options.port);
  const { port } = app.server.address() as AddressInfo;
  let closed: Promise<void> | undefined;
  return {
    url: `http://127.0.0.1:${port}`,
    deliver(queueArn, body) {
      const queue = sqsStore.getQueueByArn(queueArn);
      queue?.enqueue(SqsStore.createMessage(body));
      return queue !== undefined;
    },
    close() {
      closed ??= app.close().then(() => persistence.close());
      return closed;
    },
  };
}

/**
 * Corrects two faults of fauxqs 2.4.1. Making a message visible again wrote a NULL where none is allowed, so that the message was lost until the
 * next start. And each write waited for the disk, which only protects from a power failure.
 */
function makePersistenceSound(persistence: Persistence): void {
  persistence.db.exec('PRAGMA synchronous = NORMAL');
  const makeReady = persistence.db.prepare(
    'UPDATE sqs_messages SET receipt_handle = NULL, visibility_deadline = NULL WHERE message_id = ?',
  );
  persistence.updateMessageReady = (messageId) => {
    makeReady.run(messageId);
  };
}

/**
 * Ends a long poll whose caller was killed before it receives a message, which would otherwise stay hidden for its visibility timeout. fauxqs does
 * not check this.
 */
function leaveGoneCallersEmptyHanded(prototype: Queue, callers: AsyncLocalStorage<Socket>): void {
  const wait = prototype.waitForMessages;
  prototype.waitForMessages = async function (this: Queue, waitTimeSec: number) {
    await wait.call(this, waitTimeSec);
    if (callers.getStore()?.destroyed === true) throw new Error('The caller has gone.');
  };
}

async function listen(app: ReturnType<typeof buildApp>, port: number): Promise<void> {
  await app.listen({ port, host: '127.0.0.1' });
}

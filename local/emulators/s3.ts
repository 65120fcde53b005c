import { mkdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { LOCAL_CREDENTIALS } from '../process/environment.ts';
import { handleRequest } from './s3/handler.ts';
import { ObjectDatabase } from './s3/store.ts';

export interface S3Options {
  /** 0: a free one. */
  port: number;
  dataDir: string;
  /** Brings a bucket notification to its queue; false or a rejection: not now, it is tried again. */
  deliver: (queueArn: string, body: string) => boolean | Promise<boolean>;
  credentials?: { accessKeyId: string; secretAccessKey: string };
  now?: () => number;
}

export interface S3Emulator {
  url: string;
  /** Further calls return the same promise. */
  close(): Promise<void>;
}

const RETRY_DELIVERY_MS = 1000;

/**
 * S3 for local use on 127.0.0.1, path-style, as far as Paceline uses it: objects with true conditional writes, ranges, tags, listings, deletion,
 * presigned URLs that are checked, CORS and notifications to queues. No multipart uploads, copies or versions: those answer 501.
 * Requests with an Authorization header are trusted; one with neither header nor query signature is refused, as a private bucket would.
 */
export async function startS3(options: S3Options): Promise<S3Emulator> {
  mkdirSync(options.dataDir, { recursive: true });
  const database = new ObjectDatabase(options.dataDir);
  const now = options.now ?? Date.now;
  const stopping = new AbortController();
  let work = Promise.withResolvers<void>();
  const context = {
    database,
    now,
    credentials: options.credentials ?? LOCAL_CREDENTIALS,
    eventsAdded: () => work.resolve(),
  };
  const server = createServer((request, response) => {
    handleRequest(request, response, context).catch((error: unknown) => {
      console.error(`S3 ${request.method} failed: ${error instanceof Error ? error.stack : error}`);
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end();
    });
  });
  server.keepAliveTimeout = 60_000;
  // A large upload over a slow line is legal.
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', resolve);
  });

  // Events are stored with their object, so that a crash between the two cannot lose one.
  const deliver = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      work = Promise.withResolvers();
      let delivered = true;
      for (const event of database.pendingEvents()) {
        const taken = await attempt(options.deliver, event.queueArn, event.body);
        if (taken) database.removeEvent(event.id);
        // There may be more than one page of them.
        if (taken) work.resolve();
        delivered &&= taken;
      }
      if (!delivered) await sleep(RETRY_DELIVERY_MS, undefined, { signal: stopping.signal }).catch(() => undefined);
      else await work.promise;
    }
  };
  const delivering = deliver();
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    stopping.abort();
    work.resolve();
    await Promise.all([closeServer(server), delivering]);
    database.close();
  };
  let closed: Promise<void> | undefined;
  return {
    url: `http://127.0.0.1:${port}`,
    close() {
      closed ??= close();
      return closed;
    },
  };
}

async function attempt(deliver: S3Options['deliver'], queueArn: string, body: string): Promise<boolean> {
  try {
    return await deliver(queueArn, body);
  } catch {
    return false;
  }
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

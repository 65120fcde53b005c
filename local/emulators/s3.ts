import { mkdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { LOCAL_CREDENTIALS } from '../process/environment.ts';
import { handleRequest } from './s3/handler.ts';
import { ObjectDatabase } from './s3/store.ts';

export interface S3Options {
  /** 0 takes a free port. */
  port: number;
  dataDir: string;
  /** Delivers a bucket notification to its queue. After false or a rejection it is called again. */
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
 * Starts a local S3 on 127.0.0.1 with path-style URLs. It has the features that Paceline uses: atomic conditional writes, ranges, tags, listings,
 * deletion, checked presigned URLs, CORS and notifications to queues. Multipart uploads, copies and versions return 501.
 * A request with an Authorization header is trusted without a check. One with neither header nor query signature gets 403.
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
  // No limit: a large upload over a slow connection may take long.
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', resolve);
  });

  // Events are stored in the transaction of their object, so that a crash cannot lose one.
  const deliver = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      work = Promise.withResolvers();
      let delivered = true;
      for (const event of database.pendingEvents()) {
        const taken = await attempt(options.deliver, event.queueArn, event.body);
        if (taken) database.removeEvent(event.id);
        // Look again at once: there may be more than one page of events.
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

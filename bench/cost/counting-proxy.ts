import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Endpoints } from '../../local/process/environment.ts';
import { ownerOf } from './connection-owner.ts';
import { Ledger } from './ledger.ts';

/** Stands in front of the emulators and notes each call, with the units DynamoDB says it took. */
export interface CountingProxy {
  readonly ledger: Ledger;
  /** For the environment of hosts and functions. */
  readonly env: Record<string, string>;
  stop(): Promise<void>;
}

type Service = keyof Endpoints;

/** Commands of DynamoDB that say what they took when asked to. */
const namesUnits = /^(GetItem|PutItem|UpdateItem|DeleteItem|Query|Scan|Batch(Get|Write)Item|Transact(Get|Write)Items)$/;
/** Of each write that was refused, or in a transaction that was, at least; the answer does not say. */
const refusedUnits = 1;

/** `target` is asked for at each call: the emulators may start later than this. */
export async function startCountingProxy(target: () => Endpoints): Promise<CountingProxy> {
  const ledger = new Ledger();
  const agent = new Agent({ keepAlive: true, maxSockets: Number.POSITIVE_INFINITY });
  const owners = new WeakMap<Socket, string>();
  const servers = await Promise.all(
    (['dynamodb', 'sqs', 's3'] as const).map(async (service) => {
      const server = createServer((incoming, outgoing) => {
        const { socket } = incoming;
        const who = owners.get(socket) ?? ownerOf(socket.remotePort ?? 0, socket.localPort ?? 0);
        owners.set(socket, who);
        void pass({ service, who, to: target()[service], agent, ledger }, incoming, outgoing);
      });
      // Longer than any client keeps one, so that none is closed under a request.
      server.keepAliveTimeout = 120_000;
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return { service, server };
    }),
  );
  const env = servers.map(({ service, server }) => [
    `AWS_ENDPOINT_URL_${service.toUpperCase()}`,
    `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  ]);
  return {
    ledger,
    env: Object.fromEntries(env),
    async stop() {
      await Promise.all(servers.map(({ server }) => close(server)));
      agent.destroy();
    },
  };
}

interface Way {
  service: Service;
  who: string;
  to: string;
  agent: Agent;
  ledger: Ledger;
}

async function pass(way: Way, incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  try {
    const body = await bytesOf(incoming);
    const command = commandOf(way.service, incoming);
    const asks = way.service === 'dynamodb' && namesUnits.test(command);
    const sent = asks
      ? Buffer.from(JSON.stringify({ ...JSON.parse(body.toString()), ReturnConsumedCapacity: 'TOTAL' }))
      : body;
    const answer = await ask(way, incoming, outgoing, sent);
    const answered = await bytesOf(answer);
    const units = asks ? unitsOf(command, answer.statusCode ?? 0, sent, answered) : { writeUnits: 0, readUnits: 0 };
    const ofAccount = /acc_[0-9A-Z]{26}/.test(`${incoming.url}${body.length < 100_000 ? body.toString() : ''}`);
    way.ledger.note({ who: way.who, service: way.service, command, ...units, ofAccount });
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers).end(answered);
  } catch {
    // Either side has gone: the other one sees its connection end, as it would without us.
    outgoing.destroy();
  }
}

function ask(way: Way, incoming: IncomingMessage, outgoing: ServerResponse, body: Buffer): Promise<IncomingMessage> {
  const { 'transfer-encoding': _encoding, ...headers } = incoming.headers;
  return new Promise((resolve, reject) => {
    const asked = request(`${way.to}${incoming.url}`, {
      method: incoming.method ?? 'GET',
      headers: { ...headers, 'content-length': body.length },
      agent: way.agent,
    });
    asked.once('response', resolve).once('error', reject);
    // A long poll whose caller has gone must not take messages.
    outgoing.once('close', () => asked.destroy());
    asked.end(body);
  });
}

function commandOf(service: Service, { method, headers, url = '' }: IncomingMessage): string {
  if (service !== 's3')
    return (
      String(headers['x-amz-target'] ?? 'unknown')
        .split('.')
        .at(-1) ?? 'unknown'
    );
  if (method === 'POST') return url.includes('?delete') ? 'DeleteObjects' : 'Post';
  if (method === 'DELETE') return 'DeleteObject';
  if (method === 'HEAD') return 'HeadObject';
  if (method === 'PUT') return 'PutObject';
  return url.includes('list-type') ? 'ListObjectsV2' : 'GetObject';
}

interface Capacity {
  CapacityUnits?: number;
}

/** Returns the units that the answer names. Refused writes are charged too, and name none. */
function unitsOf(command: string, status: number, sent: Buffer, answered: Buffer) {
  const writes = /Put|Update|Delete|Write/.test(command);
  let units = 0;
  if (status === 200) {
    const { ConsumedCapacity: taken } = JSON.parse(answered.toString()) as { ConsumedCapacity?: Capacity | Capacity[] };
    units = [taken ?? []].flat().reduce((sum, { CapacityUnits = 0 }) => sum + CapacityUnits, 0);
  } else if (writes) {
    const { TransactItems } = JSON.parse(sent.toString()) as { TransactItems?: unknown[] };
    units = (TransactItems === undefined ? 1 : 2 * TransactItems.length) * refusedUnits;
  }
  return writes ? { writeUnits: units, readUnits: 0 } : { writeUnits: 0, readUnits: units };
}

async function bytesOf(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';

/** One message of a person as an event delivers it. */
export interface DeliveredMessage {
  id: string;
  text: string | null;
}

/** The events of a receiver, kept as a customer would: each once, by its webhook-id. */
export interface InboundReceiver {
  url: string;
  /** Messages of each event, by webhook-id. */
  events: Map<string, DeliveredMessage[]>;
  /** Messages in these events, repeats of an id included. */
  delivered(): number;
  requests(): number;
  refused(): number;
  /** Requests whose signature the official library does not take. */
  unverified(): number;
  /** Events that came again with other messages. */
  changed: string[];
  /** Monotonic ms of the last new event. */
  lastAt(): number;
  stop(): Promise<void>;
}

/** Verifies every delivery of `message.received`, and answers one in `refuseEvery` with 500 after it has taken it, so that it comes again. */
export async function startInboundReceiver(secret: string, refuseEvery: number): Promise<InboundReceiver> {
  const webhook = new Webhook(secret);
  const events: InboundReceiver['events'] = new Map();
  const changed: string[] = [];
  let [delivered, requests, refused, unverified, lastAt] = [0, 0, 0, 0, 0];
  const server = createServer(async (incoming, outgoing) => {
    const body = await textOf(incoming);
    const id = String(incoming.headers['webhook-id']);
    requests += 1;
    try {
      webhook.verify(body, incoming.headers as Record<string, string>);
    } catch {
      unverified += 1;
      outgoing.writeHead(401).end();
      return;
    }
    const { messages } = (JSON.parse(body) as { data: { messages: DeliveredMessage[] } }).data;
    const known = events.get(id);
    if (known === undefined) {
      events.set(id, messages);
      delivered += messages.length;
      lastAt = performance.now();
    } else if (JSON.stringify(known) !== JSON.stringify(messages)) changed.push(id);
    const refuse = known === undefined && events.size % refuseEvery === 0;
    if (refuse) refused += 1;
    outgoing.writeHead(refuse ? 500 : 200).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`,
    events,
    changed,
    delivered: () => delivered,
    requests: () => requests,
    refused: () => refused,
    unverified: () => unverified,
    lastAt: () => lastAt,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function textOf(stream: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

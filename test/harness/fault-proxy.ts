import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Answer, type AwsService, brokenAnswer, operationOf, throttledAnswer } from './fault-answers.ts';

/**
 * A fault of one request. `before`: the service has not done the work; `after`: it has, and the caller does not know.
 *
 *   error, throttle   the service's own error, without the work
 *   drop, hang        the connection breaks before the work, at once or after `ms` of silence
 *   lose-answer       the connection breaks after the work
 *   swallow-answer    the work is done, and the connection breaks after `ms` of silence
 *   delay             the normal answer, `ms` later
 *   hold              the request waits before or after the work, until the rule is released
 */
export type Fault =
  | { kind: 'error' | 'throttle' | 'drop' | 'lose-answer' }
  | { kind: 'hang' | 'swallow-answer' | 'delay'; ms: number }
  | { kind: 'hold'; at: 'before' | 'after' };

export type FaultKind = Fault['kind'];

/** A request as a rule sees it. */
export interface Call {
  service: AwsService;
  operation: string;
  /** Path and query. */
  path: string;
  body: string;
}

/** A request in the log. */
export interface LogEntry {
  /** The time of arrival, epoch ms. */
  atMs: number;
  service: AwsService;
  operation: string;
  /** The name of the queue, for SQS. */
  queue?: string;
  fault?: FaultKind;
  /** Status and time of the service's answer, even if the caller did not get it. Absent when the service was not called. */
  status?: number;
  doneAtMs?: number;
}

export interface Rule {
  /** The first request it was applied to. */
  readonly met: Promise<Call>;
  /** The number of requests it was applied to. */
  readonly count: number;
  /** Releases all held requests and removes the rule. */
  release(): void;
}

export interface FaultProxy {
  readonly service: AwsService;
  readonly url: string;
  /** Requests so far, oldest first. Empty without the option `log`. */
  readonly log: readonly LogEntry[];
  /** The number of requests with each fault. */
  readonly met: ReadonlyMap<FaultKind, number>;
  /** Sets the origin of the emulator. Requests wait until then. */
  setTarget(url: string): void;
  /** Applies a fault to the next `count` (1) requests that match; rules come before the plan, older ones first. */
  rule(matches: (call: Call) => boolean, fault: Fault, count?: number): Rule;
  /** Sets the function that chooses a fault for each request that no rule matches. Undefined means no faults. */
  setPlan(plan: ((call: Call) => Fault | undefined) | undefined): void;
  close(): Promise<void>;
}

interface ArmedRule {
  matches: (call: Call) => boolean;
  fault: Fault;
  left: number;
  count: number;
  met: PromiseWithResolvers<Call>;
  released: PromiseWithResolvers<void>;
}

/** Starts an HTTP proxy on 127.0.0.1 in front of one emulator. It forwards bodies unchanged, unless a rule or the plan applies a fault. */
export async function startFaultProxy(service: AwsService, options: { log?: boolean } = {}): Promise<FaultProxy> {
  const agent = new Agent({ keepAlive: true });
  const target = Promise.withResolvers<string>();
  const log: LogEntry[] = [];
  const met = new Map<FaultKind, number>();
  const closing = new AbortController();
  let rules: ArmedRule[] = [];
  let plan: ((call: Call) => Fault | undefined) | undefined;
  let throttled = 0;

  /** Returns the fault of the first rule that matches, and counts it; otherwise the fault of the plan. */
  function faultFor(call: Call): { fault: Fault | undefined; released?: Promise<void> } {
    const rule = rules.find(({ left, matches }) => left > 0 && matches(call));
    if (rule === undefined) return { fault: plan?.(call) };
    rule.left -= 1;
    rule.count += 1;
    rule.met.resolve(call);
    return { fault: rule.fault, released: rule.released.promise };
  }

  async function handle(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(incoming);
    const operation = operationOf(service, incoming);
    const call: Call = { service, operation, path: incoming.url ?? '/', body: body.toString('latin1') };
    const { fault, released } = faultFor(call);
    if (fault !== undefined) met.set(fault.kind, (met.get(fault.kind) ?? 0) + 1);
    const entry: LogEntry = {
      atMs: Date.now(),
      service,
      operation,
      ...queueOf(call),
      ...(fault === undefined ? {} : { fault: fault.kind }),
    };
    if (options.log === true) log.push(entry);
    const work = async (): Promise<Answer> => {
      // A caller that has disconnected must not receive messages. Other work is done in any case.
      const abandoned = operation === 'ReceiveMessage' ? response : undefined;
      const answer = await forward(await target.promise, incoming, body, agent, abandoned);
      entry.status = answer.status;
      entry.doneAtMs = Date.now();
      return answer;
    };
    switch (fault?.kind) {
      case undefined:
        return reply(response, await work());
      case 'error':
        return reply(response, brokenAnswer(service));
      case 'throttle':
        return reply(response, throttledAnswer(service, throttled++ % 2 === 1));
      case 'drop':
        return void response.destroy();
      case 'hang':
        await sleep(fault.ms, undefined, { signal: closing.signal }).catch(() => undefined);
        return void response.destroy();
      case 'lose-answer':
        await work();
        return void response.destroy();
      case 'swallow-answer':
        await work();
        await sleep(fault.ms, undefined, { signal: closing.signal }).catch(() => undefined);
        return void response.destroy();
      case 'delay':
        await sleep(fault.ms, undefined, { signal: closing.signal }).catch(() => undefined);
        return reply(response, await work());
      case 'hold': {
        if (fault.at === 'before') await released;
        const answer = await work();
        if (fault.at === 'after') await released;
        return reply(response, answer);
      }
      default:
        return fault satisfies never;
    }
  }

  const server = createServer((incoming, response) => {
    response.on('error', () => undefined);
    // The emulator or the caller has disconnected: the other side sees a broken connection.
    handle(incoming, response).catch(() => response.destroy());
  });
  server.keepAliveTimeout = 120_000;
  server.requestTimeout = 0;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });

  return {
    service,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    log,
    met,
    setTarget: (url) => target.resolve(url),
    rule(matches, fault, count = 1) {
      const rule: ArmedRule = {
        matches,
        fault,
        left: count,
        count: 0,
        met: Promise.withResolvers(),
        released: Promise.withResolvers(),
      };
      rules.push(rule);
      return {
        met: rule.met.promise,
        get count() {
          return rule.count;
        },
        release() {
          rules = rules.filter((other) => other !== rule);
          rule.released.resolve();
        },
      };
    },
    setPlan(next) {
      plan = next;
    },
    async close() {
      closing.abort();
      for (const { released } of rules) released.resolve();
      await closeServer(server);
      agent.destroy();
    },
  };
}

/** One proxy for each service, and the environment that makes a process use them. */
export interface FaultProxies {
  readonly dynamodb: FaultProxy;
  readonly sqs: FaultProxy;
  readonly s3: FaultProxy;
  readonly env: Record<string, string>;
  /** All three logs in one, by time of arrival. */
  log(): LogEntry[];
  setTargets(endpoints: Record<AwsService, string>): void;
  setPlan(plan: ((call: Call) => Fault | undefined) | undefined): void;
  close(): Promise<void>;
}

export async function startFaultProxies(options: { log?: boolean } = {}): Promise<FaultProxies> {
  const [dynamodb, sqs, s3] = await Promise.all([
    startFaultProxy('dynamodb', options),
    startFaultProxy('sqs', options),
    startFaultProxy('s3', options),
  ]);
  const all = [dynamodb, sqs, s3];
  return {
    dynamodb,
    sqs,
    s3,
    env: {
      AWS_ENDPOINT_URL_DYNAMODB: dynamodb.url,
      AWS_ENDPOINT_URL_SQS: sqs.url,
      AWS_ENDPOINT_URL_S3: s3.url,
    },
    log: () => all.flatMap((proxy) => proxy.log).sort((a, b) => a.atMs - b.atMs),
    setTargets(endpoints) {
      for (const proxy of all) proxy.setTarget(endpoints[proxy.service]);
    },
    setPlan(plan) {
      for (const proxy of all) proxy.setPlan(plan);
    },
    async close() {
      await Promise.all(all.map((proxy) => proxy.close()));
    },
  };
}

function queueOf({ body }: Call): { queue?: string } {
  const queue = /"QueueUrl":"[^"]*\/([^"/]+)"/.exec(body)?.[1];
  return queue === undefined ? {} : { queue };
}

function reply(response: ServerResponse, { status, headers, body }: Answer): void {
  if (response.destroyed) return;
  response.writeHead(status, { ...headers, 'content-length': String(body.length) }).end(body);
}

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Headers that are not forwarded. The content length is set from the body. */
const hopHeaders = ['connection', 'keep-alive', 'transfer-encoding', 'expect', 'content-length'];

function withoutHops<Headers extends Record<string, unknown>>(headers: Headers): Headers {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !hopHeaders.includes(name))) as Headers;
}

/** Sends the request to the target. Rejects when that fails, or when `abandoned` closes first. */
function forward(
  target: string,
  incoming: IncomingMessage,
  body: Buffer,
  agent: Agent,
  abandoned: ServerResponse | undefined,
  again = true,
): Promise<Answer> {
  const { hostname, port } = new URL(target);
  return new Promise((resolve, reject) => {
    const headers = { ...withoutHops(incoming.headers), 'content-length': String(body.length) };
    const outgoing = request({ hostname, port, agent, method: incoming.method, path: incoming.url, headers });
    const leave = () => outgoing.destroy();
    abandoned?.once('close', leave);
    outgoing.once('response', (answer) => {
      bodyOf(answer).then((bytes) => {
        abandoned?.off('close', leave);
        resolve({ status: answer.statusCode ?? 502, headers: answered(answer), body: bytes });
      }, reject);
    });
    outgoing.once('error', (error) => {
      abandoned?.off('close', leave);
      // The target had just closed the reused connection, so it did not get the request.
      if (again && outgoing.reusedSocket && abandoned?.destroyed !== true) {
        forward(target, incoming, body, agent, abandoned, false).then(resolve, reject);
      } else reject(error);
    });
    outgoing.end(body);
  });
}

function answered({ headers }: IncomingMessage): Answer['headers'] {
  const kept = Object.entries(withoutHops(headers)).filter(([, value]) => value !== undefined);
  return Object.fromEntries(kept) as Answer['headers'];
}

function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

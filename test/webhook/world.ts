import { randomBytes } from 'node:crypto';
import { sweepDeliveries } from '../../functions/sweep/deliveries.ts';
import type { WebhookCount, WebhookDeps } from '../../functions/webhook/deps.ts';
import { serveDeliveries } from '../../functions/webhook/handler.ts';
import { putEvents } from '../../lib/aws/events/events.ts';
import { finder } from '../../lib/aws/keys.ts';
import { planDeliveries } from '../../lib/aws/webhooks/deliveries.ts';
import { listDeliveries } from '../../lib/aws/webhooks/delivery-list.ts';
import { dueDeliveries } from '../../lib/aws/webhooks/delivery-outcomes.ts';
import { createEndpoint, readEndpoint } from '../../lib/aws/webhooks/endpoints.ts';
import type { EventType, PacelineEvent } from '../../lib/domain/events/events.ts';
import { derivedId, newId } from '../../lib/domain/ids.ts';
import type { Endpoint } from '../../lib/domain/webhooks/endpoint.ts';
import { standardScheduleSec } from '../../lib/domain/webhooks/schedule.ts';
import { systemClock } from '../../lib/runtime/clock.ts';
import { createEgress } from '../../lib/runtime/egress/egress.ts';
import { type Emulators, startEmulators } from '../harness/emulators.ts';
import { scaledClock } from '../harness/scaled-clock.ts';
import { playedQueues } from './queues.ts';
import { type Receiver, startReceiver } from './receiver.ts';

export const otherTenant = 'ten_0000000000000000000000000B';
export const signingSecret = 'whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=';

/** Endpoints, receivers, the delivery function behind played queues, and a table; time runs `factor` times as fast. */
export async function startWorld(options: { factor: number; invocations?: number; scheduleSec?: readonly number[] }) {
  const emulators: Emulators = await startEmulators();
  const clock = scaledClock(options.factor);
  const queues = playedQueues(clock, options.invocations ?? 20);
  const egress = createEgress({ allowLoopback: true, clock });
  const counted = new Map<WebhookCount, number>();
  const failures: unknown[] = [];
  const table = emulators.deps.table;
  const deps: WebhookDeps = {
    table,
    deliveries: queues.queue,
    egress,
    clock,
    random: () => 0,
    scheduleSec: options.scheduleSec ?? standardScheduleSec,
    timeoutMs: 15_000,
    userAgent: 'Paceline/test',
    count: (name, times = 1) => void counted.set(name, (counted.get(name) ?? 0) + times),
    failed: (what, fields) => void failures.push([what, fields]),
  };
  queues.start((event) => serveDeliveries(event, deps, Number.POSITIVE_INFINITY));
  const receivers: Receiver[] = [];
  let made = 0;
  let tenants = 0;
  let tenant = '';

  const origin = () => ({ tenantId: tenant, keyId: 'key_test', ip: '-', requestId: 'req', at: clock.nowMs() });
  const writer = { table, nowMs: clock.nowMs, randomBytes: (n: number) => new Uint8Array(randomBytes(n)) };

  return {
    clock,
    deps,
    /** What changes of endpoints need: the table, and who asks for them. */
    writer,
    origin,
    /** What follows belongs to a tenant of its own, so that endpoints of other tests do not listen. */
    newTenant() {
      tenants += 1;
      tenant = `ten_${String(tenants).padStart(26, '0')}`;
    },
    table,
    queues,
    counted,
    failures,
    async receiver(verifier: { secret: string; raw?: boolean } = { secret: signingSecret }) {
      const receiver = await startReceiver(clock, verifier);
      receivers.push(receiver);
      return receiver;
    },
    async endpoint(url: string, more: Partial<Endpoint> = {}): Promise<Endpoint> {
      made += 1;
      const id = newId('whk', clock.nowMs(), randomBytes);
      const endpoint: Endpoint = {
        id,
        tenantId: tenant,
        name: `endpoint ${made}`,
        url,
        events: ['message'],
        ordered: false,
        active: true,
        secrets: [{ secret: signingSecret }],
        createdAt: clock.nowMs(),
        ...more,
      };
      const result = await createEndpoint(writer, origin(), endpoint);
      if (typeof result === 'string') throw new Error(result);
      return result;
    },
    /** Events as functions/events would store them and pass them on. */
    async publish(events: PacelineEvent[]) {
      await putEvents(table, events);
      await planDeliveries(deps, events);
    },
    event(name: string, more: Partial<PacelineEvent> = {}): PacelineEvent {
      return {
        id: derivedId('evt', name),
        type: 'message.sent' as EventType,
        at: clock.nowMs(),
        tenantId: tenant,
        data: { message: { name } },
        logged: true,
        ...more,
      };
    },
    deliveries: async (endpoint: Endpoint) =>
      (await listDeliveries(table, { tenantId: endpoint.tenantId, id: endpoint.id }, { limit: 1000 })).items,
    read: (endpoint: Endpoint) => readEndpoint(table, endpoint.tenantId, endpoint.id),
    /** Lets time jump from one thing that is due to the next until nothing is, or until `untilMs`. */
    async runOut(untilMs = Number.POSITIVE_INFINITY) {
      for (;;) {
        while (!queues.isQuiet()) await systemClock.sleep(2);
        const parts = finder.deliveries.map((part) => dueDeliveries(table, part, 9_999_999_999_999 - 1, 1));
        const far = (await Promise.all(parts)).flat().map(({ due }) => due);
        const held = queues.nextHeldAt();
        const next = Math.min(...far, held ?? Number.POSITIVE_INFINITY);
        if (next > untilMs || next === Number.POSITIVE_INFINITY) return;
        clock.jumpTo(next);
        await queues.forwardHeld();
        if (Math.min(...far, Number.POSITIVE_INFINITY) > clock.nowMs()) continue;
        await sweepDeliveries({ ...emulators.deps, deliveries: queues.queue, nowMs: clock.nowMs }, {
          deliveriesSent: 0,
        } as never);
      }
    },
    /** Works off what is due in real (scaled) time until `done`. */
    async runUntil(done: () => boolean, timeoutMs = 20_000) {
      const end = Date.now() + timeoutMs;
      while (!done()) {
        if (Date.now() > end) throw new Error(`not within ${timeoutMs} ms`);
        await queues.forwardHeld();
        await systemClock.sleep(2);
      }
    },
    async stop() {
      await egress.close();
      for (const receiver of receivers) await receiver.stop();
      await queues.idle();
      await emulators.stop();
    },
  };
}

export type World = Awaited<ReturnType<typeof startWorld>>;

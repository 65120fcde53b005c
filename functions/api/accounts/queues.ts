import { createRoute, z } from '@hono/zod-openapi';
import { listContracts } from '../../../lib/aws/contracts/contracts.ts';
import { inHandOfContract } from '../../../lib/domain/accounts/in-hand.ts';
import { type ContractState, countsOf } from '../../../lib/domain/contracts/contract.ts';
import { withCounters } from '../contracts/reading.ts';
import { type ApiScope, tenantOf } from '../http/context.ts';
import { type Api, answer, problems, secured } from '../http/openapi.ts';

const count = z.int().min(0);
const tally = z.object({ waiting: count, active: count, completed: count, failed: count });
const queuesSchema = z.object({ contracts: tally, messages: tally }).openapi('QueueStatus', {
  description:
    'Contracts: waiting are IMPORTING, PENDING and PAUSED, active IN_PROGRESS. Messages: waiting are PENDING and QUEUED, active SENDING, ' +
    'completed SENT, DELIVERED and READ. Canceled ones are in none.',
});

const placeOf: Record<ContractState, keyof z.infer<typeof tally> | undefined> = {
  IMPORTING: 'waiting',
  PENDING: 'waiting',
  PAUSED: 'waiting',
  IN_PROGRESS: 'active',
  COMPLETED: 'completed',
  FAILED: 'failed',
  CANCELED: undefined,
  DELETED: undefined,
};

export function queueRoutes(app: Api, scope: ApiScope): void {
  const { deps } = scope;
  app.openapi(
    createRoute({
      method: 'get',
      path: '/v1/queues/status',
      tags: ['Results'],
      summary: 'Count waiting, active and finished contracts and messages',
      ...secured('read'),
      request: { query: z.strictObject({}) },
      responses: { 200: answer(queuesSchema, 'The sums'), ...problems(401, 403, 422) },
    }),
    async (c) => {
      const { id: tenantId } = tenantOf(c);
      const sums = {
        contracts: { waiting: 0, active: 0, completed: 0, failed: 0 },
        messages: { waiting: 0, active: 0, completed: 0, failed: 0 },
      };
      let before: string | undefined;
      do {
        const step = await listContracts(
          deps.table,
          tenantId,
          before === undefined ? { limit: 100 } : { limit: 100, before },
        );
        for (const { contract, counter, pair } of await withCounters(scope, step.items)) {
          const place = placeOf[contract.status];
          if (place !== undefined) sums.contracts[place] += 1;
          const counts = countsOf(contract, counter, inHandOfContract(pair?.hot, contract.id));
          sums.messages.waiting += counts.pending + counts.queued;
          sums.messages.active += counts.sending;
          sums.messages.completed += counts.sent + counts.delivered + counts.read;
          sums.messages.failed += counts.failed;
        }
        before = step.next;
      } while (before !== undefined);
      return c.json(sums, 200);
    },
  );
}

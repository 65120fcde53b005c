import { createRoute, z } from '@hono/zod-openapi';
import { acceptContract } from '../../../lib/accept/contracts.ts';
import { sendingAccount } from '../../../lib/accept/sending-account.ts';
import { readContract } from '../../../lib/aws/contracts/contracts.ts';
import type { FieldError } from '../../../lib/domain/errors.ts';
import { acceptedCounts } from '../contracts/counts.ts';
import { checkRecipients, messageOf } from '../contracts/recipients.ts';
import { recipientsSchema } from '../contracts/schema.ts';
import { type ApiScope, idFor, isRepeated, originOf, tenantOf } from '../http/context.ts';
import { invalid } from '../http/field-errors.ts';
import { notBuilt } from '../http/input.ts';
import { type Api, answer, idempotencyHeader, jsonBody, problems, securedPost } from '../http/openapi.ts';

const bulkInput = z
  .strictObject({
    recipients: recipientsSchema.min(1),
    message: z.string().optional().openapi({ description: 'For recipients without a message of their own.' }),
    text: z.string().optional().openapi({ description: 'Another name of message.' }),
    accountId: z.string().max(60).optional().openapi({ description: 'Without it the primary account sends.' }),
    template: notBuilt('Templates are not built yet; leave template out and send text.'),
    templateData: notBuilt('Templates are not built yet; leave templateData out and send text.'),
  })
  .openapi('BulkInput', {
    example: { recipients: [{ to: '79991234567' }, { to: '79991234568' }], text: 'We open at ten today.' },
  });

const bulkSchema = z
  .object({
    contractId: z.string().openapi({ example: 'con_01KAFXR2M6B8V4N3T7Q9Z5W1HC' }),
    queued: z.int().openapi({ description: 'Recipients without those who have opted out.' }),
    warnings: z.array(z.string()).openapi({ description: 'Doubts about recipients.' }),
  })
  .openapi('BulkAccepted');

export function bulkRoutes(app: Api, scope: ApiScope): void {
  const { deps } = scope;
  const counts = acceptedCounts(scope);

  app.openapi(
    createRoute({
      method: 'post',
      path: '/v1/messages/bulk',
      tags: ['Messages'],
      summary: 'Send up to 5,000 messages ahead of bulk contracts',
      description:
        'Makes a contract on the express lane that starts at once. It is fed five messages at a time, so that it delays other express messages by ' +
        'no more than these. All rows are checked first; one bad row refuses the call.',
      ...securedPost(scope, 'send'),
      request: { headers: idempotencyHeader, ...jsonBody(bulkInput) },
      responses: { 202: answer(bulkSchema, 'The contract'), ...problems(400, 401, 403, 409, 413, 422) },
    }),
    async (c) => {
      const tenant = tenantOf(c);
      const body = c.req.valid('json');
      const errors: FieldError[] = [];
      const message = messageOf(body, errors);
      const settings = { defaultCountry: tenant.defaultCountry, skipInvalid: false, requirePlus: false };
      const checks = checkRecipients(body.recipients, message, settings);
      errors.push(...checks.errors);
      counts.refused(checks.errors);
      if (errors.length > 0 && body.accountId === undefined) throw invalid(errors);
      const id = idFor(c, deps, 'con');
      // An earlier attempt of this call may have made the contract; it stays with its account, whatever account is primary now.
      const made = isRepeated(c) ? await readContract(deps.table, tenant.id, id) : undefined;
      const account = await sendingAccount(deps, tenant.id, body.accountId ?? made?.accountIds[0]);
      if (account === undefined) {
        errors.push({ path: '/accountId', code: 'UNKNOWN_ACCOUNT', message: 'There is no such account.' });
      }
      if (errors.length > 0 || account === undefined) throw invalid(errors);
      const createdAt = deps.nowMs();
      const accepted = await acceptContract(deps, originOf(c, deps), {
        id,
        name: `Bulk of ${new Date(createdAt).toISOString()}`,
        accountId: account.id,
        lane: 'express',
        skipInvalid: false,
        requirePlus: false,
        start: true,
        createdAt,
        rows: checks.checked,
      });
      counts.created();
      counts.rows(accepted);
      const queued = accepted.rows.filter(({ skip }) => skip === undefined).length;
      return c.json({ contractId: accepted.contract.id, queued, warnings: accepted.warnings }, 202);
    },
  );
}

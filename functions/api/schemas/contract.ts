import { z } from '@hono/zod-openapi';
import type { AccountPair } from '../../../lib/aws/accounts.ts';
import type { Account } from '../../../lib/domain/account.ts';
import {
  type Contract,
  type Counter,
  type Counts,
  contractStates,
  countsOf,
  estimatedEndAt,
  maxInlineRows,
} from '../../../lib/domain/contract.ts';
import { policyOf } from '../../../lib/domain/pacing.ts';
import { isoTime, maybeTime, toIso } from '../openapi.ts';

export const visibleStates = contractStates.filter((state) => state !== 'DELETED');

const recipientInput = z
  .strictObject({
    phoneNumber: z.string().optional(),
    to: z.string().optional().openapi({ description: 'Another name of phoneNumber.' }),
    message: z.string().optional(),
    text: z.string().optional().openapi({ description: 'Another name of message.' }),
    externalId: z.string().optional(),
  })
  .openapi('Recipient', { example: { phoneNumber: '79991234567', message: 'Your order has been shipped.' } });

const recipients = z
  .array(recipientInput)
  .max(maxInlineRows, `A request carries at most ${maxInlineRows} recipients; send more with /recipients or /import.`);

export const contractInput = z
  .strictObject({
    accountId: z.string().max(60).optional(),
    accountIds: z.array(z.string().max(60)).optional(),
    name: z.string().trim().min(1).max(200),
    recipients,
    message: z.string().optional().openapi({ description: 'For recipients without a message of their own.' }),
    text: z.string().optional().openapi({ description: 'Another name of message.' }),
    lane: z.enum(['express', 'bulk']).optional(),
    skipInvalid: z
      .boolean()
      .optional()
      .openapi({ description: 'Record invalid numbers as failed and accept the rest.' }),
    startAt: z.iso.datetime({ offset: true }).optional(),
    start: z.boolean().optional(),
  })
  .openapi('ContractInput', {
    example: {
      accountId: 'acc_01KAFXQ8E4WZ8M7D9T2B6R3V5N',
      name: 'Shipping notes',
      recipients: [{ phoneNumber: '79991234567', message: 'Your order has been shipped.' }],
      start: true,
    },
  });

export const recipientsInput = z
  .strictObject({ recipients: recipients.min(1), message: z.string().optional(), text: z.string().optional() })
  .openapi('RecipientsInput');

const count = z.int().min(0);

const importSchema = z
  .object({
    status: z.enum(['awaiting_upload', 'reading', 'completed', 'failed']),
    format: z.enum(['csv', 'ndjson']),
    rowsRead: z.int(),
    errorCount: z.int(),
    errors: z.array(z.object({ line: z.int(), code: z.string(), message: z.string() })),
  })
  .openapi('ContractImport');

export const contractSchema = z
  .object({
    id: z.string().openapi({ example: 'con_01KAFXR2M6B8V4N3T7Q9Z5W1HC' }),
    name: z.string(),
    accountIds: z.array(z.string()),
    lane: z.enum(['express', 'bulk']),
    status: z.enum(visibleStates),
    reason: z.string().nullable(),
    totalCount: count,
    counts: z
      .object({
        pending: count,
        queued: count,
        sending: count,
        sent: count,
        delivered: count,
        read: count,
        failed: count,
        canceled: count,
        suppressed: count,
        expired: count,
      })
      .openapi('ContractCounts', { description: 'By present state; the sum is totalCount.' }),
    template: z.null(),
    startAt: maybeTime,
    createdAt: isoTime,
    startedAt: maybeTime,
    completedAt: maybeTime,
    estimatedEndAt: maybeTime,
    import: importSchema.optional(),
    warnings: z.array(z.string()).optional().openapi({ description: 'Only in the answer that added the recipients.' }),
  })
  .openapi('Contract');

export type ContractView = z.infer<typeof contractSchema>;

/** What GET shows. `pair` is the contract's account, undefined when it has been deleted. */
export function contractView(
  contract: Contract,
  counter: Counter,
  pair: AccountPair | undefined,
  nowMs: number,
  warnings?: string[],
): ContractView {
  const counts = countsOf(contract, counter, pair?.hot.inHand?.contractId === contract.id);
  const imported = contract.import;
  return {
    id: contract.id,
    name: contract.name,
    accountIds: contract.accountIds,
    lane: contract.lane,
    status: contract.status === 'DELETED' ? 'CANCELED' : contract.status,
    reason: contract.reason ?? waitingReason(contract, pair?.account) ?? null,
    totalCount: contract.totalCount,
    counts,
    template: null,
    startAt: toIso(contract.startAt),
    createdAt: new Date(contract.createdAt).toISOString(),
    startedAt: toIso(contract.startedAt),
    completedAt: toIso(contract.completedAt),
    estimatedEndAt: toIso(estimate(contract, counts, pair, nowMs)),
    ...(imported === undefined
      ? {}
      : {
          import: {
            status: imported.status,
            format: imported.format,
            rowsRead: imported.rowsRead,
            errorCount: imported.errorCount,
            errors: imported.errors,
          },
        }),
    ...(warnings === undefined ? {} : { warnings }),
  };
}

function estimate(
  contract: Contract,
  counts: Counts,
  pair: AccountPair | undefined,
  nowMs: number,
): number | undefined {
  if (contract.status !== 'IN_PROGRESS' || pair === undefined) return undefined;
  const { account, hot } = pair;
  const age = account.linkedAt === undefined ? undefined : { linkedAtMs: account.linkedAt, pace: hot.pace };
  return estimatedEndAt(counts.pending + counts.queued + counts.sending, policyOf(account), nowMs, age);
}

/** Why a running contract does not move, in a sentence. */
function waitingReason(contract: Contract, account: Account | undefined): string | undefined {
  if (contract.status !== 'IN_PROGRESS') return undefined;
  if (account === undefined) return 'The account was deleted.';
  switch (account.status) {
    case 'connected':
      return undefined;
    case 'created':
    case 'connecting':
      return account.desired === 'connected'
        ? 'Waiting for the account to connect.'
        : 'Waiting: the account is not wanted connected; POST /v1/accounts/:id/connect.';
    case 'awaiting_link':
      return 'Waiting for the account to be linked: scan its QR code.';
    case 'disconnected':
      return `Waiting: the account is disconnected${because(account)}.`;
    case 'logged_out':
      return 'Waiting: the account is logged out; connect and link it again.';
    case 'restricted':
      return `Waiting: WhatsApp has restricted the account${because(account)}.`;
    case 'banned':
      return 'Waiting: WhatsApp has banned the account.';
    case 'failed':
      return `Waiting: the account cannot connect${because(account)}.`;
    default:
      return account.status satisfies never;
  }
}

const because = (account: Account): string => (account.statusReason === undefined ? '' : ` (${account.statusReason})`);

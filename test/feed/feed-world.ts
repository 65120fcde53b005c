import { randomBytes } from 'node:crypto';
import {
  DeleteMessageCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  type ReceiveMessageResult,
} from '@aws-sdk/client-sqs';
import type { SQSEvent } from 'aws-lambda';
import { serveFeed } from '../../functions/feed/handler.ts';
import { sweep } from '../../functions/sweep/sweep.ts';
import { createAccount } from '../../lib/aws/accounts/accounts.ts';
import { type FeedRequest, requestFeed } from '../../lib/aws/accounts/feed-queue.ts';
import { type Item, Table } from '../../lib/aws/client/table.ts';
import { createContract, moveContract } from '../../lib/aws/contracts/contracts.ts';
import { PageReader } from '../../lib/aws/contracts/feed-rows.ts';
import { readCounter } from '../../lib/aws/contracts/jobs.ts';
import { putPages } from '../../lib/aws/contracts/pages.ts';
import type { Deps } from '../../lib/aws/deps.ts';
import { createWakeQueue, putHost } from '../../lib/aws/hosts/hosts.ts';
import { claimAccount } from '../../lib/aws/hosts/ownership.ts';
import { keys } from '../../lib/aws/keys.ts';
import { type ClaimResult, claim } from '../../lib/aws/messages/claims.ts';
import { messageItem, toMessage } from '../../lib/aws/messages/messages.ts';
import { ensureTenant } from '../../lib/aws/tenants/tenants.ts';
import type { Account, AccountHot } from '../../lib/domain/accounts/account.ts';
import type { Contract, ContractAction } from '../../lib/domain/contracts/contract.ts';
import type { PageRow } from '../../lib/domain/contracts/pages.ts';
import { rowMessageId } from '../../lib/domain/contracts/row-message.ts';
import { newId } from '../../lib/domain/ids.ts';
import { type ContractMessage, type Message, ofContract } from '../../lib/domain/messages/message.ts';
import { newAccount, newContract, newHost } from '../factories.ts';
import { startEmulators } from '../harness/emulators.ts';
import { moveMessage } from '../harness/move-message.ts';

export const tenantId = 'ten_00000000000000000000000001';

/** Feed and sweep over empty emulators, each run when a test says so, by a clock that the test moves. */
export async function startFeedWorld() {
  const emulators = await startEmulators();
  const { sqs } = emulators.clients;
  let aheadMs = 0;
  const deps: Deps = { ...emulators.deps, nowMs: () => Date.now() + aheadMs };
  const { table } = deps;
  const QueueUrl = deps.config.FEED_QUEUE_URL;
  const hostId = newId('hst', Date.now(), randomBytes);
  const wakeQueueUrl = await createWakeQueue(sqs, deps.config.WAKE_QUEUE_PREFIX, hostId);
  await ensureTenant(deps, tenantId, { name: 'Test' });
  const origin = () => ({ tenantId, keyId: 'key_test', ip: '-', requestId: '-', at: deps.nowMs() });

  const world = {
    emulators,
    deps,
    table,
    hostId,
    origin,
    pass(ms: number): void {
      aheadMs += ms;
    },
    /** The same world seen through a table whose calls a test holds up or fails. */
    through(
      change: (table: Table) => Partial<Pick<Table, 'getMany' | 'tryTransact' | 'queryAll' | 'get' | 'tryUpdate'>>,
    ): Deps {
      const other = new Table(table.client, table.name);
      Object.assign(other, change(table));
      return { ...deps, table: other };
    },
    async beat(): Promise<void> {
      await putHost(table, newHost(hostId, { beatAt: deps.nowMs(), wakeQueueUrl }));
    },
    async account(settings: Partial<Account> = {}): Promise<Account> {
      const nowMs = deps.nowMs();
      const { account } = await createAccount(
        deps,
        origin(),
        newAccount(nowMs, { tenantId, status: 'connected', ...settings }),
        null,
      );
      return account;
    },
    async contract(account: Account, rows: PageRow[], settings: Partial<Contract> = {}): Promise<Contract> {
      const contract = newContract(account, { totalCount: rows.length, createdAt: deps.nowMs() });
      const pages = await putPages(deps.pages, { tenantId, contractId: contract.id, rowSet: 'b' }, rows);
      return await createContract(deps, origin(), { ...contract, pages, ...settings });
    },
    move: (id: string, action: Exclude<ContractAction, 'import' | 'imported'>, through: Deps = deps) =>
      moveContract(through, origin(), tenantId, id, action),
    read: async (id: string) => await table.get<Contract & Item>(keys.contract(tenantId, id)),
    counter: (contract: Contract) => readCounter(table, contract),
    hot: async (account: Account) => await table.get<AccountHot & Item>(keys.accountHot(tenantId, account.id)),
    async setHot(account: Account, fields: Partial<AccountHot>): Promise<void> {
      const names = Object.keys(fields);
      await table.update(keys.accountHot(tenantId, account.id), {
        update: `SET ${names.map((name) => `${name} = :${name}`).join(', ')}`,
        values: Object.fromEntries(Object.entries(fields).map(([name, value]) => [`:${name}`, value])),
      });
    },
    async setAccount(account: Account, fields: Partial<Account>): Promise<void> {
      const names = Object.keys(fields);
      await table.update(keys.account(tenantId, account.id), {
        update: `SET ${names.map((name) => `#${name} = :${name}`).join(', ')}`,
        names: Object.fromEntries(names.map((name) => [`#${name}`, name])),
        values: Object.fromEntries(Object.entries(fields).map(([name, value]) => [`:${name}`, value])),
      });
    },
    /** A message of the contract as the feed makes it, after the pattern of another one. */
    async putQueued(contract: Contract, row: number, pattern: Message | undefined): Promise<ContractMessage> {
      if (pattern === undefined) throw new Error('no message to copy');
      const id = rowMessageId(contract, row);
      const { id: contractId } = contract;
      const of = { source: 'contract' as const, sourceId: contractId, contractId, row };
      const message = { ...pattern, ...of, id, to: `7999${2_000_000 + row}` };
      await table.put(messageItem(message));
      return message;
    },
    async messages(contract: Contract): Promise<ContractMessage[]> {
      const ids = Array.from({ length: contract.totalCount }, (_, row) => rowMessageId(contract, row));
      const items = await table.getMany<Item>(ids.map((id) => keys.message(tenantId, id)));
      return items.flatMap((item) => (item === undefined ? [] : [ofContract(toMessage(item))]));
    },
    states: async (contract: Contract) => (await world.messages(contract)).map((message) => message.state),
    /** What an owner does, up to the claim and no further; `stops` are those it knows of, all unless told otherwise. */
    async tryClaim(account: Account, message: Message, stops?: number): Promise<ClaimResult> {
      await world.beat();
      const hot = await world.hot(account);
      if (hot === undefined) throw new Error('no such account');
      if (hot.owner === undefined) await claimAccount(table, hot, hostId);
      const epoch = hot.owner === undefined ? hot.epoch + 1 : hot.epoch;
      const nowMs = deps.nowMs();
      const nonce = randomBytes(8).toString('hex');
      const totals = { messages: 0, errors: 0 };
      return await claim(table, {
        messages: [{ message, crashes: 0 }],
        replaces: hot.inHand,
        inHand: { messageId: message.id, contractId: message.contractId, nonce },
        host: hostId,
        epoch,
        nonce,
        pace: hot.pace,
        totals,
        stops: stops ?? hot.stops ?? 0,
        nowMs,
      });
    },
    async claim(account: Account, message: Message): Promise<Message> {
      const result = await world.tryClaim(account, message);
      const [claimed] = result.kind === 'claimed' ? result.messages : [];
      if (claimed === undefined) throw new Error(result.kind);
      return claimed;
    },
    /** Claims and ends each of these. */
    async end(account: Account, messages: Message[], to: 'SENT' | 'FAILED'): Promise<void> {
      for (const message of messages) {
        const error = { code: 'REJECTED' as const, message: 'No.' };
        await moveMessage(
          table,
          await world.claim(account, message),
          to,
          deps.nowMs(),
          to === 'FAILED' ? { error } : {},
        );
      }
    },
    request: (request: FeedRequest) => requestFeed(sqs, QueueUrl, request),
    /** One feed request as Lambda would bring it; answers whether it failed, and why. */
    async serve(
      asked: Pick<FeedRequest, 'kind' | 'accountId'> & Partial<FeedRequest>,
      through: Deps = deps,
      deadlineMs = Date.now() + aheadMs + 60_000,
    ): Promise<unknown> {
      return await serveBody(JSON.stringify({ tenantId, ...asked }), asked.accountId, through, deadlineMs);
    },
    /** Serves what is in the feed queue until nothing is left; answers the kinds served. */
    async drain(): Promise<string[]> {
      const served: string[] = [];
      for (;;) {
        const { Messages }: ReceiveMessageResult = await sqs.send(
          new ReceiveMessageCommand({
            QueueUrl,
            MaxNumberOfMessages: 10,
            MessageSystemAttributeNames: ['All'],
          }),
        );
        if (Messages === undefined || Messages.length === 0) return served;
        for (const { Body = '', ReceiptHandle, Attributes } of Messages) {
          const error = await serveBody(Body, Attributes?.MessageGroupId ?? '', deps, deps.nowMs() + 60_000);
          if (error !== undefined) throw error;
          served.push((JSON.parse(Body) as FeedRequest).kind);
          await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
        }
      }
    },
    /** What is in the feed queue is given up, as after too many receives. */
    async giveUpRequests(): Promise<void> {
      await sqs.send(new PurgeQueueCommand({ QueueUrl }));
    },
    async sweep() {
      return await sweep(deps, (part, error) => {
        throw new Error(part, { cause: error });
      });
    },
    /** Accounts the host was told to look at, each taken off. */
    async notes(): Promise<string[]> {
      const found: string[] = [];
      for (;;) {
        const answer = await sqs.send(new ReceiveMessageCommand({ QueueUrl: wakeQueueUrl, MaxNumberOfMessages: 10 }));
        if (answer.Messages === undefined || answer.Messages.length === 0) return found;
        for (const { Body = '', ReceiptHandle } of answer.Messages) {
          found.push((JSON.parse(Body) as { a: string }).a);
          await sqs.send(new DeleteMessageCommand({ QueueUrl: wakeQueueUrl, ReceiptHandle }));
        }
      }
    },
    stop: () => emulators.stop(),
  };

  async function serveBody(body: string, group: string, through: Deps, deadlineMs: number): Promise<unknown> {
    const event = {
      Records: [{ messageId: '1', body, attributes: { MessageGroupId: group } }],
    } as unknown as SQSEvent;
    let why: unknown;
    await serveFeed(event, through, new PageReader(through), {
      deadlineMs,
      failed: (_, error) => {
        why = error;
      },
    });
    return why;
  }

  return world;
}

export type FeedWorld = Awaited<ReturnType<typeof startFeedWorld>>;

/** Something that is reached, and goes on when it is told. */
export function gate() {
  let open = () => {};
  let arrive = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const reached = new Promise<void>((resolve) => {
    arrive = resolve;
  });
  return {
    reached,
    open: () => open(),
    async pass(): Promise<void> {
      arrive();
      await opened;
    },
  };
}

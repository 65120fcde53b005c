import {
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteQueueCommand,
  QueueDoesNotExist,
  ReceiveMessageCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { createdAt } from '../../domain/ids.ts';
import { added, patch, unlessSet } from '../client/patch.ts';
import { listQueues } from '../client/queue-list.ts';
import { type Clauses, present, type Table } from '../client/table.ts';
import { keys } from '../keys.ts';

/** A socket host as others see it. `beat` grows only while the host lives; observers measure by their own clock how long it has not grown. */
export interface Host {
  id: string;
  beat: number;
  /** The time of the last beat by the host's own clock, epoch ms. Only a hint for callers that cannot observe `beat`. */
  beatAt: number;
  /** Stored as `inboxUrl`: hosts and functions of two versions read each other's items during a deployment. */
  wakeQueueUrl: string;
  startedAt: number;
  accounts: number;
  /** The number of accounts that the host can still take; 0 while it is full or gives its accounts away. */
  room: number;
  /** It is stopping and gives its accounts to others. */
  draining?: true;
  /** The host was removed as dead. It can no longer beat or claim, and its accounts go to others. */
  retired?: true;
  retiredAt?: number;
}

/** Clauses of the host's item. Add them to each write that only a host in good standing may do. */
export const inGoodStanding: Clauses = { exists: present, isNotRetired: 'attribute_not_exists(retired)' };

/** A host whose `beatAt` is older may be gone. */
const freshMs = 20_000;

/** Returns whether a host seems to live: a hint for callers that cannot watch its beat, so clock skew of a few seconds does no harm. */
export function seemsLive(host: Pick<Host, 'beatAt' | 'retired'>, nowMs: number): boolean {
  return host.retired !== true && nowMs - host.beatAt < freshMs;
}

/** The request "look at this account", the only content of a wake queue. `t` is the tenant id, `a` the account id. */
export interface WakeNote {
  t: string;
  a: string;
}

/** Creates the queue that wakes this host, or finds the one that exists. Returns its URL. */
export async function createWakeQueue(sqs: SQSClient, wakeQueuePrefix: string, hostId: string): Promise<string> {
  const answer = await sqs.send(
    new CreateQueueCommand({
      QueueName: `${wakeQueuePrefix}${hostId}`,
      Attributes: { MessageRetentionPeriod: '3600', VisibilityTimeout: '30', SqsManagedSseEnabled: 'true' },
    }),
  );
  if (answer.QueueUrl === undefined) throw new Error('SQS created a wake queue and returned no URL.');
  return answer.QueueUrl;
}

export async function removeWakeQueue(sqs: SQSClient, wakeQueueUrl: string): Promise<void> {
  await sqs.send(new DeleteQueueCommand({ QueueUrl: wakeQueueUrl }));
}

export async function sendNote(sqs: SQSClient, wakeQueueUrl: string, note: WakeNote): Promise<void> {
  await sqs.send(new SendMessageCommand({ QueueUrl: wakeQueueUrl, MessageBody: JSON.stringify(note) }));
}

/** Returns whether the error says that the wake queue is gone. Its host must then create it again. */
export function isWakeQueueGone(error: unknown): boolean {
  return error instanceof QueueDoesNotExist;
}

/** Waits up to 20 s for notes and deletes them at once. They are only hints; the table has the truth. */
export async function takeNotes(sqs: SQSClient, wakeQueueUrl: string, signal: AbortSignal): Promise<WakeNote[]> {
  const answer = await sqs.send(
    new ReceiveMessageCommand({ QueueUrl: wakeQueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 20 }),
    { abortSignal: signal },
  );
  const messages = answer.Messages ?? [];
  if (messages.length > 0) {
    await sqs.send(
      new DeleteMessageBatchCommand({
        QueueUrl: wakeQueueUrl,
        Entries: messages.map((message, index) => ({ Id: String(index), ReceiptHandle: message.ReceiptHandle })),
      }),
    );
  }
  return messages.flatMap((message) => (message.Body === undefined ? [] : [JSON.parse(message.Body) as WakeNote]));
}

export async function putHost(table: Table, { wakeQueueUrl, ...host }: Host): Promise<void> {
  await table.put({ ...keys.host(host.id), type: 'host', ...host, inboxUrl: wakeQueueUrl });
}

/** Shows the fleet that the host lives. Returns false when the host has been retired as dead: it must not act any more. */
export async function beat(
  table: Table,
  host: Pick<Host, 'id' | 'beatAt' | 'accounts' | 'room' | 'draining'>,
): Promise<boolean> {
  const { id, beatAt, accounts, room, draining } = host;
  const { refused } = await table.tryUpdate(keys.host(id), {
    ...patch({ beatAt, accounts, room, ...(draining ? { draining } : {}), beat: added(1) }),
    condition: inGoodStanding,
  });
  return refused === undefined;
}

/** Returns whether new accounts may go to this host: neither retired, nor stopping, nor full. */
export function takesAccounts({ retired, draining, room }: Host): boolean {
  return retired !== true && draining !== true && room > 0;
}

/**
 * Retires a host: its beats and claims fail from now on. The caller must orphan the accounts that the host still has, and then remove its item. A
 * host that is already removed is not created again.
 */
export async function retireHost(table: Table, hostId: string, nowMs: number): Promise<void> {
  await table.tryUpdate(keys.host(hostId), {
    ...patch({ retired: true, retiredAt: unlessSet(nowMs) }),
    condition: { exists: present },
  });
}

export async function hostExists(table: Table, hostId: string): Promise<boolean> {
  return (await table.get(keys.host(hostId))) !== undefined;
}

export async function removeHost(table: Table, hostId: string): Promise<void> {
  await table.delete(keys.host(hostId));
}

export async function listHosts(table: Table): Promise<Host[]> {
  const items = await table.queryAll<Omit<Host, 'wakeQueueUrl'> & { inboxUrl: string }>({ pk: 'HOSTS' });
  return items.map(({ inboxUrl, ...host }) => ({ ...host, wakeQueueUrl: inboxUrl }));
}

/** Returns all wake queues of the stage. The id of its host says when each was created. */
export async function listWakeQueues(
  sqs: SQSClient,
  wakeQueuePrefix: string,
): Promise<{ url: string; createdMs: number }[]> {
  const urls = await listQueues(sqs, wakeQueuePrefix);
  return urls.map((url) => ({ url, createdMs: createdAt(hostOf(url)) }));
}

/** Returns the id of the host that has this wake queue. */
export const hostOf = (wakeQueueUrl: string): string => wakeQueueUrl.slice(wakeQueueUrl.lastIndexOf('hst_'));

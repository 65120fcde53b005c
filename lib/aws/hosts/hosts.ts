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

/** A socket host as others see it. `beat` only grows while it lives; observers judge by their own clock whether it has moved. */
export interface Host {
  id: string;
  beat: number;
  /** The host's own clock, epoch milliseconds: a hint for those who cannot observe, never a proof. */
  beatAt: number;
  inboxUrl: string;
  startedAt: number;
  accounts: number;
  /** How many more accounts it would take; 0 while it is full or gives its accounts up. */
  room: number;
  /** It has been told to stop and gives its accounts to others. */
  draining?: true;
  /** Removed as dead: it may beat and claim no more, and its accounts are being given to others. */
  retired?: true;
  retiredAt?: number;
}

/** Clauses of the host's item for what only a host in good standing may do. */
export const inGoodStanding: Clauses = { exists: present, isNotRetired: 'attribute_not_exists(retired)' };

/** A host whose own clock last beat longer ago may be gone. */
const freshMs = 20_000;

/** Whether a host seems to be there: a hint for those who cannot watch its beat, so clock skew of a few seconds does no harm. */
export function seemsLive(host: Pick<Host, 'beatAt' | 'retired'>, nowMs: number): boolean {
  return host.retired !== true && nowMs - host.beatAt < freshMs;
}

/** "Look at this account": the only thing an inbox carries. */
export interface InboxNote {
  t: string;
  a: string;
}

export async function createInbox(sqs: SQSClient, inboxPrefix: string, hostId: string): Promise<string> {
  const answer = await sqs.send(
    new CreateQueueCommand({
      QueueName: `${inboxPrefix}${hostId}`,
      Attributes: { MessageRetentionPeriod: '3600', VisibilityTimeout: '30', SqsManagedSseEnabled: 'true' },
    }),
  );
  if (answer.QueueUrl === undefined) throw new Error('SQS made an inbox without telling its URL.');
  return answer.QueueUrl;
}

export async function removeInbox(sqs: SQSClient, inboxUrl: string): Promise<void> {
  await sqs.send(new DeleteQueueCommand({ QueueUrl: inboxUrl }));
}

export async function sendNote(sqs: SQSClient, inboxUrl: string, note: InboxNote): Promise<void> {
  await sqs.send(new SendMessageCommand({ QueueUrl: inboxUrl, MessageBody: JSON.stringify(note) }));
}

/** Whether an inbox has been removed under its host, which then makes it anew. */
export function isInboxGone(error: unknown): boolean {
  return error instanceof QueueDoesNotExist;
}

/** Waits up to 20 s for notes and takes them off at once: they are hints, the table is the truth. */
export async function takeNotes(sqs: SQSClient, inboxUrl: string, signal: AbortSignal): Promise<InboxNote[]> {
  const answer = await sqs.send(
    new ReceiveMessageCommand({ QueueUrl: inboxUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 20 }),
    { abortSignal: signal },
  );
  const messages = answer.Messages ?? [];
  if (messages.length > 0) {
    await sqs.send(
      new DeleteMessageBatchCommand({
        QueueUrl: inboxUrl,
        Entries: messages.map((message, index) => ({ Id: String(index), ReceiptHandle: message.ReceiptHandle })),
      }),
    );
  }
  return messages.flatMap((message) => (message.Body === undefined ? [] : [JSON.parse(message.Body) as InboxNote]));
}

export async function putHost(table: Table, host: Host): Promise<void> {
  await table.put({ ...keys.host(host.id), type: 'host', ...host });
}

/** Tells the fleet that the host lives. Returns false when the host has been retired as dead: it must not act any more. */
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

/** Whether new accounts may go to this host: neither retired, nor stopping, nor full. */
export function takesAccounts({ retired, draining, room }: Host): boolean {
  return retired !== true && draining !== true && room > 0;
}

/**
 * Retires a host: its beats and claims fail from now on. The caller must orphan the accounts that the host still has, and then remove its
 * item. A host that has been removed stays so.
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
  return await table.queryAll<Host>({ pk: 'HOSTS' });
}

/** All inboxes there are; when they were made is in the host's id. */
export async function listInboxes(sqs: SQSClient, inboxPrefix: string): Promise<{ url: string; createdMs: number }[]> {
  const urls = await listQueues(sqs, inboxPrefix);
  return urls.map((url) => ({ url, createdMs: createdAt(hostOf(url)) }));
}

/** The id of the host an inbox belongs to. */
export const hostOf = (inboxUrl: string): string => inboxUrl.slice(inboxUrl.lastIndexOf('hst_'));

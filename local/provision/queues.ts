import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  QueueDoesNotExist,
  SetQueueAttributesCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { QueuePlan } from '../template/storage.ts';
import { TemplateChanged } from './changed.ts';

export interface ProvisionedQueue {
  url: string;
  arn: string;
}

const FIXED = ['FifoQueue'];

/** Creates the missing queues, updates the others to the template, and returns URL and ARN by name. Throws TemplateChanged when FIFO differs. */
export async function provisionQueues(sqs: SQSClient, plans: QueuePlan[]): Promise<Map<string, ProvisionedQueue>> {
  const queues = new Map<string, ProvisionedQueue>();
  await Promise.all(
    plans.map(async (plan) => {
      const url = (await existing(sqs, plan)) ?? (await create(sqs, plan));
      const names = { QueueUrl: url, AttributeNames: ['QueueArn' as const] };
      const { Attributes } = await sqs.send(new GetQueueAttributesCommand(names));
      queues.set(plan.name, { url, arn: Attributes?.QueueArn ?? '' });
    }),
  );
  // Set after all queues exist, so that the order of dead-letter queues does not matter.
  for (const { name, redrive } of plans) {
    const queue = queues.get(name);
    if (redrive === undefined || queue === undefined) continue;
    const target = queues.get(redrive.deadLetterArn.split(':').at(-1) ?? '');
    const RedrivePolicy = JSON.stringify({
      deadLetterTargetArn: target?.arn ?? redrive.deadLetterArn,
      maxReceiveCount: redrive.maxReceiveCount,
    });
    await sqs.send(new SetQueueAttributesCommand({ QueueUrl: queue.url, Attributes: { RedrivePolicy } }));
  }
  return queues;
}

async function existing(sqs: SQSClient, plan: QueuePlan): Promise<string | undefined> {
  let url: string | undefined;
  try {
    url = (await sqs.send(new GetQueueUrlCommand({ QueueName: plan.name }))).QueueUrl;
  } catch (error) {
    if (error instanceof QueueDoesNotExist) return undefined;
    throw error;
  }
  if (url === undefined) return undefined;
  const all = await sqs.send(new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['All'] }));
  const kept: Record<string, string> = { ...all.Attributes };
  for (const name of FIXED) {
    if ((kept[name] ?? 'false') !== (plan.attributes[name] ?? 'false')) {
      throw new TemplateChanged(`queue ${plan.name}: ${name}`);
    }
  }
  const changed = Object.entries(plan.attributes).filter(
    ([name, value]) => !FIXED.includes(name) && kept[name] !== value,
  );
  if (changed.length > 0) {
    await sqs.send(new SetQueueAttributesCommand({ QueueUrl: url, Attributes: Object.fromEntries(changed) }));
  }
  return url;
}

async function create(sqs: SQSClient, plan: QueuePlan): Promise<string> {
  // SQS refuses FifoQueue=false: a standard queue leaves the attribute out.
  const Attributes = Object.fromEntries(
    Object.entries(plan.attributes).filter(([name, value]) => name !== 'FifoQueue' || value === 'true'),
  );
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: plan.name, Attributes }));
  if (QueueUrl === undefined) throw new Error(`Queue ${plan.name} was made without a URL.`);
  return QueueUrl;
}

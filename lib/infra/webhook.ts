import { Duration } from 'aws-cdk-lib';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Construct } from 'constructs';
import type { Alarms } from './alarms.ts';
import type { DataStack } from './data-stack.ts';
import { type SharedEnvironment, StageFunction } from './function.ts';
import { WorkQueue } from './queues.ts';
import type { Settings } from './settings.ts';
import type { Worker } from './worker.ts';

/** Seconds a batch may take: an attempt of 15, and time for endpoints with a rate limit. */
const webhookTimeoutSec = 60;
/** A batch of a killed function comes back after this. */
const visibility = Duration.seconds(90);
/** Receives before a message is parked: half an hour of an outage. The function itself repeats what it can with growing pauses. */
const maxReceives = 20;

/** Deliveries that are due, grouped by endpoint, and those held back for up to 15 minutes, which a FIFO queue cannot do. */
export class WebhookQueues extends Construct {
  readonly due: WorkQueue;
  readonly later: WorkQueue;

  constructor(scope: Construct, settings: Settings) {
    super(scope, 'WebhookQueues');
    this.due = new WorkQueue(this, 'Due', settings, { thing: 'webhook', fifo: true, visibility, maxReceives });
    this.later = new WorkQueue(this, 'Later', settings, {
      thing: 'webhook-later',
      fifo: false,
      visibility,
      maxReceives,
    });
  }
}

interface WebhookProps {
  data: DataStack;
  webhookQueues: WebhookQueues;
  environment: SharedEnvironment;
  alarms: Alarms;
}

/**
 * Delivery to endpoints: the one function that sends requests to URLs of users. It has no VPC, so it reaches nothing private, and its role can
 * do nothing but read what an event says and write what became of its delivery.
 */
export class Webhook extends Construct {
  constructor(scope: Construct, settings: Settings, { data, webhookQueues, environment, alarms }: WebhookProps) {
    super(scope, 'Webhook');
    const handler = new StageFunction(this, 'Handler', settings, {
      name: 'webhook',
      entry: 'functions/webhook/handler.ts',
      section: 'webhooks',
      timeoutSec: webhookTimeoutSec,
      memoryMiB: 512,
      environment: { ...environment, ...ownEnvironment(settings) },
      alarms,
    });
    this.#allow(data, webhookQueues, handler);
    handler.function.addEventSource(
      new SqsEventSource(webhookQueues.due.queue, {
        batchSize: 10,
        maxConcurrency: settings.webhookConcurrency,
        reportBatchItemFailures: true,
      }),
    );
    handler.function.addEventSource(
      new SqsEventSource(webhookQueues.later.queue, {
        batchSize: 10,
        maxConcurrency: 2,
        reportBatchItemFailures: true,
      }),
    );
    this.#watch(alarms, webhookQueues);
  }

  #allow(data: DataStack, queues: WebhookQueues, handler: Worker): void {
    data.table.allowItemsBelow(handler, {
      read: ['T#*'],
      // Deliveries, places in line, health; and the endpoint, in its tenant's partition, to disable it.
      write: ['T#*#W#*'],
      update: [`T#ten_${'?'.repeat(26)}`],
    });
    queues.due.allowSend(handler);
    queues.later.allowSend(handler);
  }

  #watch(alarms: Alarms, { due, later }: WebhookQueues): void {
    const given = 'Webhook deliveries were given up by the queue.';
    alarms.addDeadLetters('webhook-dead-letters', 'webhooks', due.deadLetters, given);
    alarms.addDeadLetters('webhook-later-dead-letters', 'webhooks', later.deadLetters, given);
    alarms.add('webhook-age', 'webhooks', 'Webhook deliveries wait for more than five minutes.', {
      metric: due.queue.metricApproximateAgeOfOldestMessage({ period: Duration.minutes(1), statistic: 'Maximum' }),
      threshold: 300,
      evaluationPeriods: 5,
    });
  }
}

/** Only what was set, so that local mode takes the rest from its own environment. */
function ownEnvironment({ webhookScheduleSec, webhookTimeoutSec: timeoutSec }: Settings): SharedEnvironment {
  return {
    ...(webhookScheduleSec === undefined ? {} : { WEBHOOK_SCHEDULE_SEC: webhookScheduleSec }),
    ...(timeoutSec === undefined ? {} : { WEBHOOK_TIMEOUT_SEC: String(timeoutSec) }),
  };
}

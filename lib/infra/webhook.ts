import { Duration } from 'aws-cdk-lib';
import { Construct } from 'constructs';
import { environmentOf, webhookSettings } from '../domain/settings.ts';
import type { Alarms } from './alarms.ts';
import type { DataStack } from './data-stack.ts';
import { type SharedEnvironment, StageFunction } from './function.ts';
import type { WorkQueues } from './queues.ts';
import type { Settings } from './settings.ts';
import type { Worker } from './worker.ts';

interface WebhookProps {
  data: DataStack;
  workQueues: WorkQueues;
  environment: SharedEnvironment;
  alarms: Alarms;
}

/**
 * Delivers events to endpoints. It is the one function that sends requests to URLs of users. It has no VPC, so it reaches nothing private. Its
 * role may only read events and write the outcomes of deliveries.
 */
export class Webhook extends Construct {
  constructor(scope: Construct, settings: Settings, { data, workQueues, environment, alarms }: WebhookProps) {
    super(scope, 'Webhook');
    const handler = new StageFunction(this, 'Handler', settings, {
      name: 'webhook',
      entry: 'functions/webhook/handler.ts',
      section: 'webhooks',
      timeoutSec: workQueues.webhookDue.timeoutSec,
      memoryMiB: 512,
      // Only settings that the deployment has set, so that local mode takes the others from its own environment.
      environment: { ...environment, ...environmentOf(webhookSettings, settings) },
      alarms,
    });
    this.#allow(data, workQueues, handler);
    workQueues.webhookDue.feeds(handler, alarms, { maxConcurrency: settings.webhookConcurrency });
    workQueues.webhookLater.feeds(handler, alarms);
    this.#watch(alarms, workQueues);
  }

  #allow(data: DataStack, queues: WorkQueues, handler: Worker): void {
    data.table.allowItemsBelow(handler, {
      read: ['T#*'],
      // Deliveries, sequences and health. The endpoint stands in the partition of its tenant, and may be disabled.
      write: ['T#*#W#*'],
      update: [`T#ten_${'?'.repeat(26)}`],
    });
    queues.webhookDue.allowSend(handler);
    queues.webhookLater.allowSend(handler);
  }

  #watch(alarms: Alarms, { webhookDue }: WorkQueues): void {
    alarms.add('webhook-age', 'webhooks', 'Webhook deliveries wait for more than five minutes.', {
      metric: webhookDue.queue.metricApproximateAgeOfOldestMessage({
        period: Duration.minutes(1),
        statistic: 'Maximum',
      }),
      threshold: 300,
      evaluationPeriods: 5,
    });
  }
}

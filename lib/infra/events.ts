import { Duration } from 'aws-cdk-lib';
import type { ITable } from 'aws-cdk-lib/aws-dynamodb';
import { FilterCriteria, FilterRule, StartingPosition } from 'aws-cdk-lib/aws-lambda';
import { DynamoEventSource, SqsDlq } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Construct } from 'constructs';
import { type Alarms, functionMetric } from './alarms.ts';
import type { DataStack } from './data-stack.ts';
import { type SharedEnvironment, StageFunction } from './function.ts';
import { createStreamDeadLetters } from './queues.ts';
import type { Settings } from './settings.ts';
import { acknowledge } from './worker.ts';

interface EventsProps {
  data: DataStack;
  environment: SharedEnvironment;
  alarms: Alarms;
}

/**
 * Tries of a batch that fails as a whole: with Lambda's growing pauses enough for an outage of hours. What can never be told is parked by the
 * function itself at the first try.
 */
const batchTries = 100;

/** Message states that are told; a claim, and a return to PENDING, are nobody's event. */
const toldStates = ['QUEUED', 'SENT', 'DELIVERED', 'READ', 'FAILED', 'CANCELED', 'SUPPRESSED', 'EXPIRED'];
const toldTypes = ['account', 'contract', 'inboundBatch', 'suppression', 'endpoint'];

const written = FilterRule.or('INSERT', 'MODIFY');
const image = (type: string[], more: object = {}) => ({ type: { S: FilterRule.or(...type) }, ...more });

/** What changed becomes events and deliveries: the second reader of the table's stream. */
export class Events extends Construct {
  /** Whoever takes the deliveries lets it send to their queue. */
  readonly handler: StageFunction;

  constructor(scope: Construct, settings: Settings, { data, environment, alarms }: EventsProps) {
    super(scope, 'Events');
    this.handler = new StageFunction(this, 'Handler', settings, {
      name: 'events',
      entry: 'functions/events/handler.ts',
      section: 'events',
      timeoutSec: 60,
      memoryMiB: 512,
      environment,
      alarms,
    });
    data.table.allowItems(this.handler);
    data.pages.allowParked(this.handler);
    const deadLetters = createStreamDeadLetters(this, settings, 'events');
    this.handler.function.addEventSource(
      new DynamoEventSource(data.table.table as ITable, {
        // From the oldest record on: what changed while the mapping was being created is told too.
        startingPosition: StartingPosition.TRIM_HORIZON,
        batchSize: 200,
        // Heartbeats, counts, texts, events and deliveries do not even invoke it.
        filters: [
          FilterCriteria.filter({ eventName: written, dynamodb: { NewImage: image(toldTypes) } }),
          FilterCriteria.filter({
            eventName: written,
            dynamodb: { NewImage: image(['message'], { state: { S: FilterRule.or(...toldStates) } }) },
          }),
          FilterCriteria.filter({
            eventName: FilterRule.isEqual('REMOVE'),
            dynamodb: { OldImage: image(['suppression']) },
          }),
        ],
        bisectBatchOnError: true,
        reportBatchItemFailures: true,
        retryAttempts: batchTries,
        onFailure: new SqsDlq(deadLetters),
      }),
    );
    acknowledge(
      this.handler.role,
      'AwsSolutions-IAM5[Resource::*]',
      'dynamodb:ListStreams, which the event source needs, takes no resource; it shows names only.',
    );
    alarms.addDeadLetters('events-dead-letters', 'events', deadLetters, 'Changes were given up, their events untold.');
    alarms.add('events-iterator-age', 'events', 'Changes become events more than a minute late.', {
      metric: this.handler.function.metric('IteratorAge', { period: Duration.minutes(1), statistic: 'Maximum' }),
      threshold: 60_000,
      evaluationPeriods: 5,
    });
    alarms.add('events-parked', 'events', 'A change could not be told and was parked.', {
      metric: functionMetric(settings, 'events', 'RecordsParked', { period: Duration.minutes(5), statistic: 'Sum' }),
      threshold: 1,
      evaluationPeriods: 1,
    });
  }
}

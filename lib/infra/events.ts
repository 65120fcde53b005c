import { Duration } from 'aws-cdk-lib';
import type { ITable } from 'aws-cdk-lib/aws-dynamodb';
import { FilterCriteria, FilterRule, StartingPosition } from 'aws-cdk-lib/aws-lambda';
import { DynamoEventSource, SqsDlq } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Construct } from 'constructs';
import { publishedItems } from '../domain/events/events.ts';
import type { Alarms } from './alarms.ts';
import type { DataStack } from './data-stack.ts';
import { functionMetric, type SharedEnvironment, StageFunction } from './function.ts';
import { createStreamDeadLetters } from './queues.ts';
import type { Settings } from './settings.ts';
import { acknowledge } from './worker.ts';

interface EventsProps {
  data: DataStack;
  environment: SharedEnvironment;
  alarms: Alarms;
}

/**
 * The tries of a batch that fails as a whole. With Lambda's growing pauses they last through an outage of hours. The function parks a change that
 * can never be published at its first try.
 */
const batchTries = 100;

/** Returns filters that pass only changes of items that have events (lib/domain/events/events.ts). */
function publishedChanges(): Record<string, unknown>[] {
  const published = Object.entries(publishedItems);
  const written = FilterRule.or('INSERT', 'MODIFY');
  const typeOf = (types: string[]) => ({ type: { S: FilterRule.or(...types) } });
  const inAnyState = published.filter(([, { states }]) => states === undefined).map(([type]) => type);
  const inStates = published.flatMap(([type, { states }]) => (states === undefined ? [] : [{ type, states }]));
  const removed = published.filter(([, { removal }]) => removal === true).map(([type]) => type);
  return [
    { eventName: written, dynamodb: { NewImage: typeOf(inAnyState) } },
    ...inStates.map(({ type, states }) => ({
      eventName: written,
      dynamodb: { NewImage: { ...typeOf([type]), state: { S: FilterRule.or(...states) } } },
    })),
    { eventName: FilterRule.isEqual('REMOVE'), dynamodb: { OldImage: typeOf(removed) } },
  ];
}

/** Makes events and deliveries from changes. It is the second reader of the table's stream. */
export class Events extends Construct {
  /** The function. The construct with the delivery queue must let it send there. */
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
        // From the oldest record on: changes made while the mapping was being created are published too.
        startingPosition: StartingPosition.TRIM_HORIZON,
        batchSize: 200,
        // Heartbeats, counts, texts, events and deliveries do not even invoke the function.
        filters: publishedChanges().map((filter) => FilterCriteria.filter(filter)),
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
    alarms.addDeadLetters(
      'events-dead-letters',
      'events',
      deadLetters,
      'Changes were given up, their events not published.',
    );
    alarms.add('events-iterator-age', 'events', 'Changes become events more than a minute late.', {
      metric: this.handler.function.metric('IteratorAge', { period: Duration.minutes(1), statistic: 'Maximum' }),
      threshold: 60_000,
      evaluationPeriods: 5,
    });
    alarms.add('events-parked', 'events', 'A change could not be published and was parked.', {
      metric: functionMetric(settings, 'events', 'RecordsParked', { period: Duration.minutes(5), statistic: 'Sum' }),
      threshold: 1,
      evaluationPeriods: 1,
    });
  }
}

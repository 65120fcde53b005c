import { Duration } from 'aws-cdk-lib';
import type { ITable } from 'aws-cdk-lib/aws-dynamodb';
import { FilterCriteria, FilterRule, StartingPosition } from 'aws-cdk-lib/aws-lambda';
import { DynamoEventSource, SqsDlq } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Construct } from 'constructs';
import type { Alarms } from './alarms.ts';
import type { DataStack } from './data-stack.ts';
import { type SharedEnvironment, StageFunction } from './function.ts';
import type { RunTimeQueues } from './lanes.ts';
import { createStreamDeadLetters, type WorkQueues } from './queues.ts';
import type { Settings } from './settings.ts';
import { acknowledge } from './worker.ts';

interface FeedProps {
  data: DataStack;
  workQueues: WorkQueues;
  runTimeQueues: RunTimeQueues;
  environment: SharedEnvironment;
  alarms: Alarms;
}

/** Makes messages of rows. `changes` makes feed requests from changes of contracts, `feed` handles them, one account at a time. */
export class Feed extends Construct {
  readonly handler: StageFunction;

  constructor(scope: Construct, settings: Settings, props: FeedProps) {
    super(scope, 'Feed');
    this.handler = this.#createFeed(settings, props);
    this.#createChanges(settings, props);
  }

  #createFeed(settings: Settings, { data, workQueues, runTimeQueues, environment, alarms }: FeedProps): StageFunction {
    const feed = new StageFunction(this, 'Handler', settings, {
      name: 'feed',
      entry: 'functions/feed/handler.ts',
      section: 'feed',
      timeoutSec: workQueues.feed.timeoutSec,
      memoryMiB: 512,
      environment,
      alarms,
    });
    data.table.allowItems(feed);
    data.pages.allowPages(feed, ['read', 'remove']);
    workQueues.feed.allowSend(feed);
    runTimeQueues.allowLaneSend(feed);
    runTimeQueues.allowLaneRemoval(feed);
    runTimeQueues.allowWake(feed);
    workQueues.feed.feeds(feed, alarms);
    return feed;
  }

  #createChanges(settings: Settings, { data, workQueues, environment, alarms }: FeedProps): void {
    const changes = new StageFunction(this, 'Changes', settings, {
      name: 'feed-changes',
      entry: 'functions/feed/changes.ts',
      section: 'feed',
      timeoutSec: 30,
      memoryMiB: 256,
      environment,
      alarms,
    });
    workQueues.feed.allowSend(changes);
    const deadLetters = createStreamDeadLetters(this, settings, 'feed-changes');
    changes.function.addEventSource(
      new DynamoEventSource(data.table.table as ITable, {
        // From the oldest record on: a contract made while the mapping was being created must not wait for the sweep.
        startingPosition: StartingPosition.TRIM_HORIZON,
        batchSize: 100,
        filters: [
          FilterCriteria.filter({
            eventName: FilterRule.or('INSERT', 'MODIFY'),
            dynamodb: { NewImage: { type: { S: FilterRule.isEqual('contract') } } },
          }),
        ],
        bisectBatchOnError: true,
        reportBatchItemFailures: true,
        retryAttempts: 5,
        onFailure: new SqsDlq(deadLetters),
      }),
    );
    acknowledge(
      changes.role,
      'AwsSolutions-IAM5[Resource::*]',
      'dynamodb:ListStreams, which the event source needs, takes no resource; it shows names only.',
    );
    alarms.addDeadLetters('feed-changes-dead-letters', 'feed', deadLetters, 'Contract changes were given up.');
    alarms.add('feed-iterator-age', 'feed', 'Contract changes are read more than a minute late.', {
      metric: changes.function.metric('IteratorAge', { period: Duration.minutes(1), statistic: 'Maximum' }),
      threshold: 60_000,
      evaluationPeriods: 5,
    });
  }
}

import { Duration } from 'aws-cdk-lib';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { Construct } from 'constructs';
import type { Alarms } from './alarms.ts';
import type { DataStack } from './data-stack.ts';
import { type SharedEnvironment, StageFunction } from './function.ts';
import type { RunTimeQueues } from './lanes.ts';
import type { WorkQueue } from './queues.ts';
import { physicalName, type Settings } from './settings.ts';

interface SweepProps {
  data: DataStack;
  feedQueue: WorkQueue;
  queues: RunTimeQueues;
  environment: SharedEnvironment;
  alarms: Alarms;
}

/** Every minute: what got stuck is started again. */
export class Sweep extends Construct {
  constructor(scope: Construct, settings: Settings, props: SweepProps) {
    super(scope, 'Sweep');
    const { data, feedQueue, queues, environment, alarms } = props;
    const handler = new StageFunction(this, 'Handler', settings, {
      name: 'sweep',
      entry: 'functions/sweep/handler.ts',
      section: 'sweep',
      // Below the period: no two sweeps at once.
      timeoutSec: 50,
      memoryMiB: 512,
      environment,
      alarms,
    });
    data.table.allowItems(handler);
    data.table.allowFinder(handler);
    feedQueue.allowSend(handler);
    queues.allowInboxRemoval(handler);
    queues.allowWake(handler);
    // The next minute repeats it anyway.
    handler.function.configureAsyncInvoke({ retryAttempts: 0 });
    new Rule(this, 'EveryMinute', {
      ruleName: physicalName(settings.stage, 'sweep'),
      schedule: Schedule.rate(Duration.minutes(1)),
      targets: [new LambdaFunction(handler.function, { retryAttempts: 0, maxEventAge: Duration.minutes(1) })],
    });
  }
}

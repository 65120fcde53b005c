import { Duration } from 'aws-cdk-lib';
import { ComparisonOperator, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction } from 'aws-cdk-lib/aws-events-targets';
import { Construct } from 'constructs';
import type { Alarms } from './alarms.ts';
import type { DataStack } from './data-stack.ts';
import { functionMetric, type SharedEnvironment, StageFunction } from './function.ts';
import type { RunTimeQueues } from './lanes.ts';
import type { WorkQueues } from './queues.ts';
import { physicalName, type Settings } from './settings.ts';

interface SweepProps {
  data: DataStack;
  workQueues: WorkQueues;
  runTimeQueues: RunTimeQueues;
  environment: SharedEnvironment;
  alarms: Alarms;
}

/** Repairs every minute what a crash or a lost message left undone. */
export class Sweep extends Construct {
  constructor(scope: Construct, settings: Settings, props: SweepProps) {
    super(scope, 'Sweep');
    const { data, workQueues, runTimeQueues, environment, alarms } = props;
    const handler = new StageFunction(this, 'Handler', settings, {
      name: 'sweep',
      entry: 'functions/sweep/handler.ts',
      section: 'sweep',
      // Below the period, so that no two sweeps run at once.
      timeoutSec: 50,
      memoryMiB: 512,
      environment,
      alarms,
    });
    data.table.allowItems(handler);
    data.table.allowFinder(handler);
    workQueues.feed.allowSend(handler);
    workQueues.webhookDue.allowSend(handler);
    runTimeQueues.allowWakeQueueRemoval(handler);
    runTimeQueues.allowWake(handler);
    // The next minute repeats it anyway.
    handler.function.configureAsyncInvoke({ retryAttempts: 0 });
    new Rule(this, 'EveryMinute', {
      ruleName: physicalName(settings.stage, 'sweep'),
      schedule: Schedule.rate(Duration.minutes(1)),
      targets: [new LambdaFunction(handler.function, { retryAttempts: 0, maxEventAge: Duration.minutes(1) })],
    });
    this.#watch(settings, alarms, handler);
  }

  /** Watches the sweep and its findings. Its errors have an alarm like those of every function. */
  #watch(settings: Settings, alarms: Alarms, handler: StageFunction): void {
    const period = Duration.minutes(1);
    // A sweep writes its values at its end, so a minute may have none and the next one two.
    const often = { evaluationPeriods: 5, datapointsToAlarm: 3 };
    const found = (name: string, statistic: string) => functionMetric(settings, 'sweep', name, { period, statistic });
    alarms.add('sweep-not-running', 'sweep', 'The sweep has not run for five minutes.', {
      metric: handler.function.metricInvocations({ period }),
      threshold: 1,
      evaluationPeriods: 5,
      comparisonOperator: ComparisonOperator.LESS_THAN_THRESHOLD,
      treatMissingData: TreatMissingData.BREACHING,
    });
    alarms.add('sweep-failures', 'sweep', 'Parts of the sweep fail minute after minute.', {
      metric: found('Failures', 'Sum'),
      threshold: 1,
      ...often,
    });
    alarms.add('hosts-lost', 'host-killed', 'A socket host died without a word; others have taken its accounts.', {
      metric: functionMetric(settings, 'sweep', 'HostsLost', { period: Duration.minutes(5), statistic: 'Sum' }),
      threshold: 1,
      evaluationPeriods: 1,
    });
    alarms.add(
      'contracts-stuck',
      'contract-that-waits',
      'Contracts run, their accounts could send, and nothing moves.',
      {
        metric: found('ContractsStuck', 'Maximum'),
        threshold: 1,
        ...often,
      },
    );
    if (settings.hosts === 0) return;
    alarms.add('accounts-without-owner', 'accounts-without-a-host', 'Accounts want a host and none takes them.', {
      // Each value counts only accounts that have waited for a minute already.
      metric: found('AccountsWithoutOwner', 'Maximum'),
      threshold: 1,
      ...often,
    });
  }
}

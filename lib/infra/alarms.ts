import { Duration } from 'aws-cdk-lib';
import { Alarm, type AlarmProps, type IAlarmAction, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { Topic } from 'aws-cdk-lib/aws-sns';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { physicalName, type Settings } from './settings.ts';

type Watched = Pick<AlarmProps, 'metric' | 'threshold' | 'evaluationPeriods'> & Partial<AlarmProps>;

/** The alarms of a stack. Each names the fault, and the section of the runbook with the steps to take. */
export class Alarms extends Construct {
  readonly #settings: Settings;
  readonly #action: IAlarmAction | undefined;

  constructor(scope: Construct, settings: Settings) {
    super(scope, 'Alarms');
    this.#settings = settings;
    const arn = settings.alarmTopicArn;
    this.#action = arn === undefined ? undefined : new SnsAction(Topic.fromTopicArn(this, 'Topic', arn));
  }

  /** `what` is one sentence. `section` is a heading of docs/runbook.md as links write it; a test checks that each exists. */
  add(name: string, section: string, what: string, watched: Watched): Alarm {
    const alarm = new Alarm(this, name, {
      alarmName: physicalName(this.#settings.stage, name),
      alarmDescription: `${what} What to do: docs/runbook.md#${section}`,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      ...watched,
    });
    if (this.#action !== undefined) alarm.addAlarmAction(this.#action);
    return alarm;
  }

  /** Fires at the first message in a dead-letter queue. */
  addDeadLetters(name: string, section: string, queue: IQueue, what: string): Alarm {
    return this.add(name, section, what, {
      metric: queue.metricApproximateNumberOfMessagesVisible({ period: Duration.minutes(5), statistic: 'Maximum' }),
      threshold: 1,
      evaluationPeriods: 1,
    });
  }
}

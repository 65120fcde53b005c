import { Duration } from 'aws-cdk-lib';
import {
  Alarm,
  type AlarmProps,
  type IAlarmAction,
  Metric,
  type MetricOptions,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { Topic } from 'aws-cdk-lib/aws-sns';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { FunctionName } from './function.ts';
import { metricNamespace, physicalName, type Settings } from './settings.ts';

/** Headings of docs/runbook.md, as its links write them. */
export type Section =
  | 'api'
  | 'feed'
  | 'events'
  | 'webhooks'
  | 'import'
  | 'inbound'
  | 'sweep'
  | 'no-host'
  | 'host-killed'
  | 'stale-host'
  | 'starved-lane'
  | 'accounts-without-a-host'
  | 'contract-that-waits';
type Watched = Pick<AlarmProps, 'metric' | 'threshold' | 'evaluationPeriods'> & Partial<AlarmProps>;

/** The alarms of a stack: each names what is wrong and the runbook section that says what to do. */
export class Alarms extends Construct {
  readonly #settings: Settings;
  readonly #action: IAlarmAction | undefined;

  constructor(scope: Construct, settings: Settings) {
    super(scope, 'Alarms');
    this.#settings = settings;
    const arn = settings.alarmTopicArn;
    this.#action = arn === undefined ? undefined : new SnsAction(Topic.fromTopicArn(this, 'Topic', arn));
  }

  /** `what` is one sentence; the section is a heading of docs/runbook.md. */
  add(name: string, section: Section, what: string, watched: Watched): Alarm {
    const alarm = new Alarm(this, name, {
      alarmName: physicalName(this.#settings.stage, name),
      alarmDescription: `${what} What to do: docs/runbook.md#${section}`,
      treatMissingData: TreatMissingData.NOT_BREACHING,
      ...watched,
    });
    if (this.#action !== undefined) alarm.addAlarmAction(this.#action);
    return alarm;
  }

  /** One message in a dead-letter queue is one too many. */
  addDeadLetters(name: string, section: Section, queue: IQueue, what: string): Alarm {
    return this.add(name, section, what, {
      metric: queue.metricApproximateNumberOfMessagesVisible({ period: Duration.minutes(5), statistic: 'Maximum' }),
      threshold: 1,
      evaluationPeriods: 1,
    });
  }
}

/** What a function tells CloudWatch of the stage, by the name it has there. */
export function functionMetric(
  settings: Settings,
  service: FunctionName,
  metricName: string,
  options: MetricOptions,
): Metric {
  return new Metric({
    namespace: metricNamespace(settings.stage),
    metricName,
    dimensionsMap: { service },
    ...options,
  });
}

import { Duration } from 'aws-cdk-lib';
import { MathExpression, type Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { FilterPattern, type ILogGroup, MetricFilter } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { Alarms } from './alarms.ts';
import { functionMetric } from './function.ts';
import { metricNamespace, physicalName, type Settings } from './settings.ts';

interface InboundWatchProps {
  /** Of the hosts: what they count themselves stays within their tasks. */
  hostLogs: ILogGroup;
  alarms: Alarms;
}

/** A step counted before and after, which is the same number but for what is on its way: at most ten seconds and the stream. */
const steps = [
  ['received', 'stored'],
  ['stored', 'evented'],
  ['planned', 'taken'],
] as const;

/**
 * The way of what people write, counted at each step, and an alarm when the counts part: socket -> stored -> evented -> planned, once for each
 * endpoint that wants it -> taken in hand by the delivery. What a receiver answers is its tenant's affair.
 */
export class InboundWatch extends Construct {
  constructor(scope: Construct, settings: Settings, { hostLogs, alarms }: InboundWatchProps) {
    super(scope, 'InboundWatch');
    // Long beside what is on its way at the end of a period, so that this seldom is a tenth of a period's messages, and never is thrice.
    const sums = { period: Duration.minutes(15), statistic: 'Sum' };
    const logMetric = (name: string, field: string): Metric =>
      new MetricFilter(this, name, {
        filterName: physicalName(settings.stage, `inbound-${field}`),
        logGroup: hostLogs,
        filterPattern: FilterPattern.numberValue(`$.inbound.${field}`, '>', 0),
        metricNamespace: metricNamespace(settings.stage),
        metricName: name,
        metricValue: `$.inbound.${field}`,
      }).metric(sums);
    alarms.add('inbound-parted', 'inbound', 'Inbound messages are lost or held up on their way to the receivers.', {
      metric: new MathExpression({
        label: 'A step let a tenth or more behind',
        expression: steps.map(([before, after]) => parted(before, after)).join(' OR '),
        usingMetrics: {
          received: logMetric('InboundReceived', 'received'),
          stored: logMetric('InboundStored', 'stored'),
          evented: functionMetric(settings, 'events', 'InboundEvented', sums),
          planned: functionMetric(settings, 'events', 'InboundPlanned', sums),
          taken: functionMetric(settings, 'webhook', 'InboundTaken', sums),
        },
        period: sums.period,
      }),
      threshold: 1,
      evaluationPeriods: 8,
      datapointsToAlarm: 3,
    });
  }
}

/** 1 where more than a tenth is missing. Nothing counted is nothing told, so a gap is a zero. */
const parted = (before: string, after: string): string =>
  `(FILL(${before}, 0) - FILL(${after}, 0) > FILL(${before}, 0) / 10)`;

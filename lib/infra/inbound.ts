import { Duration } from 'aws-cdk-lib';
import { MathExpression, type Metric } from 'aws-cdk-lib/aws-cloudwatch';
import { FilterPattern, type ILogGroup, MetricFilter } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { Alarms } from './alarms.ts';
import { functionMetric } from './function.ts';
import { metricNamespace, physicalName, type Settings } from './settings.ts';

interface InboundWatchProps {
  /** The logs of the hosts. Their own metrics stay within their tasks. */
  hostLogs: ILogGroup;
  alarms: Alarms;
}

/** Pairs of counts that must be equal, apart from messages that are between the two: for ten seconds at most, and the time of the stream. */
const steps = [
  ['received', 'stored'],
  ['stored', 'evented'],
  ['planned', 'taken'],
] as const;

/**
 * Counts inbound messages at each step, and raises an alarm when the counts differ: socket -> stored -> evented -> planned, once for each endpoint
 * that wants them -> taken by the delivery function. Answers of receivers do not count, because they are the tenant's affair.
 */
export class InboundWatch extends Construct {
  constructor(scope: Construct, settings: Settings, { hostLogs, alarms }: InboundWatchProps) {
    super(scope, 'InboundWatch');
    // Long compared to the time between two steps. Messages between steps are seldom a tenth of a period, and never three times in a row.
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

/** Returns an expression that is 1 where more than a tenth is missing. A metric that counts nothing is not sent, so a gap is a zero. */
const parted = (before: string, after: string): string =>
  `(FILL(${before}, 0) - FILL(${after}, 0) > FILL(${before}, 0) / 10)`;

import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';

export { type Metrics, MetricUnit };

/**
 * Returns CloudWatch metrics that are written as log lines (embedded metric format). POWERTOOLS_METRICS_NAMESPACE sets their namespace,
 * `Paceline/<stage>`, so that stages in one AWS account are separate. The only dimension is `service`: each tenant or account as a dimension
 * would add to the cost. POWERTOOLS_METRICS_DISABLED=true turns them off.
 */
export function createMetrics(service: string): Metrics {
  return new Metrics({ serviceName: service });
}

/** Counts an occurrence, or as many as `times` says. Each function has names of its own. A name holds no id. */
export type Count<Name extends string> = (name: Name, times?: number) => void;

/** A counter that does nothing. */
export const countNothing: Count<string> = () => undefined;

/** Returns a count into the metrics of an invocation. Zeros are left out: a missing metric reads as zero and costs nothing. */
export function countInto<Name extends string>(metrics: Metrics): Count<Name> {
  return (name, times = 1) => {
    if (times > 0) metrics.addMetric(name, MetricUnit.Count, times);
  };
}

/** Counts every field that is a number, under its name with a capital first letter: `hostsRemoved` as `HostsRemoved`. Zeros are left out. */
export function countFields(metrics: Metrics, fields: object): void {
  const count = countInto<string>(metrics);
  for (const [name, value] of Object.entries(fields)) if (typeof value === 'number') count(metricName(name), value);
}

/** Writes every field that is a number as a gauge, zeros too. A field that is undefined is not known, and left out. */
export function gaugeFields(metrics: Metrics, fields: object): void {
  for (const [name, value] of Object.entries(fields)) {
    if (typeof value === 'number') metrics.addMetric(metricName(name), MetricUnit.Count, value);
  }
}

const metricName = (field: string): string => field.charAt(0).toUpperCase() + field.slice(1);

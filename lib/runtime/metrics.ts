import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';

export { type Metrics, MetricUnit };

/**
 * CloudWatch metrics as embedded log lines, namespace `Paceline`, dimension `service` alone: a metric with a tenant or an account as a
 * dimension would cost by the account. POWERTOOLS_METRICS_DISABLED=true silences them.
 */
export function createMetrics(service: string): Metrics {
  return new Metrics({ namespace: 'Paceline', serviceName: service });
}

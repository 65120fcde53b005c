import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import { createLogger, type Logger, type LogLevel } from './logger.ts';
import { createMetrics, type Metrics } from './metrics.ts';

/** The arguments of every invocation in addition to its event. */
export interface Invocation {
  logger: Logger;
  metrics: Metrics;
  context: Context;
}

/**
 * Returns a Lambda handler with what all functions share: the request id in each log line, and metrics written at the end, also after an error.
 * `setUp` runs once, at the first invocation, and creates what the function keeps (clients, parsed environment). If it throws, the next
 * invocation calls it again.
 */
export function lambda<E, S, R>(
  service: string,
  setUp: (env: NodeJS.ProcessEnv, logger: Logger, metrics: Metrics) => S,
  run: (event: E, kept: S, invocation: Invocation) => Promise<R>,
): (event: E, context: Context) => Promise<R> {
  let kept: { value: S; invoke: (event: E, context: Context) => Promise<R> } | undefined;
  return async (event, context) => {
    if (kept === undefined) {
      const logger = createLogger(service, levelOf(process.env.LOG_LEVEL));
      const metrics = createMetrics(service);
      const value = setUp(process.env, logger, metrics);
      const invoke = middy<E, R>()
        .use(injectLambdaContext(logger, { resetKeys: true }))
        .use({ after: () => flush(metrics), onError: () => flush(metrics) })
        .handler((event, context) => run(event, value, { logger, metrics, context }));
      kept = { value, invoke };
    }
    return await kept.invoke(event, context);
  };
}

/** Writes the metrics. Powertools' own middleware would log a warning at each invocation without metrics. */
function flush(metrics: Metrics): void {
  if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
}

function levelOf(text: string | undefined): LogLevel {
  return text === 'debug' || text === 'warn' || text === 'error' ? text : 'info';
}

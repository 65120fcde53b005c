import { injectLambdaContext } from '@aws-lambda-powertools/logger/middleware';
import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import { createLogger, type Logger, type LogLevel } from './logger.ts';
import { createMetrics, type Metrics } from './metrics.ts';

/** What every invocation is given beside its event. */
export interface Invocation {
  logger: Logger;
  metrics: Metrics;
  context: Context;
}

/**
 * A Lambda handler with the plumbing all functions share: the request id in each log line, metrics flushed at the end, errors logged.
 * `setUp` runs once, at the first invocation, and makes what the function keeps (clients, parsed environment); when it throws,
 * the next invocation tries again.
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

/** Powertools' own middleware warns at each invocation that measured nothing. */
function flush(metrics: Metrics): void {
  if (metrics.hasStoredMetrics()) metrics.publishStoredMetrics();
}

function levelOf(text: string | undefined): LogLevel {
  return text === 'debug' || text === 'warn' || text === 'error' ? text : 'info';
}

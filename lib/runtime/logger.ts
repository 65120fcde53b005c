import { Logger } from '@aws-lambda-powertools/logger';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type { Logger };

/**
 * Returns a logger that writes JSON lines to stdout. Create one for each function. Log ids only, never message texts, secrets or whole phone
 * numbers.
 */
export function createLogger(service: string, level: LogLevel): Logger {
  // Powertools would take its level from Lambda's filter. That is DEBUG (lib/infra/function.ts), because a higher one would drop metrics, too.
  delete process.env.AWS_LAMBDA_LOG_LEVEL;
  return new Logger({ serviceName: `paceline-${service}`, logLevel: toPowertools[level] });
}

const toPowertools = { debug: 'DEBUG', info: 'INFO', warn: 'WARN', error: 'ERROR' } as const;

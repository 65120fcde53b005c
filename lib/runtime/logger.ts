import { Logger } from '@aws-lambda-powertools/logger';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type { Logger };

/**
 * Structured JSON lines on stdout, one logger a function. Callers pass ids only: message texts, secrets and whole phone numbers stay
 * out of every field.
 */
export function createLogger(service: string, level: LogLevel): Logger {
  // Lambda's own filter lets everything pass (lib/infra/function.ts): it would take metrics away too, which have no level. Its level would
  // overrule ours.
  delete process.env.AWS_LAMBDA_LOG_LEVEL;
  return new Logger({ serviceName: `paceline-${service}`, logLevel: toPowertools[level] });
}

const toPowertools = { debug: 'DEBUG', info: 'INFO', warn: 'WARN', error: 'ERROR' } as const;

import { Logger } from '@aws-lambda-powertools/logger';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type { Logger };

/**
 * Structured JSON lines on stdout, one logger a function. Callers pass ids only: message texts, secrets and whole phone numbers stay
 * out of every field.
 */
export function createLogger(service: string, level: LogLevel): Logger {
  return new Logger({ serviceName: `paceline-${service}`, logLevel: toPowertools[level] });
}

const toPowertools = { debug: 'DEBUG', info: 'INFO', warn: 'WARN', error: 'ERROR' } as const;

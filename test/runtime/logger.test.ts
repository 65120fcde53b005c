import { afterEach, describe, expect, it, vi } from 'vitest';
import { createLogger } from '../../lib/runtime/logger.ts';

describe('the logger of a function', () => {
  afterEach(() => {
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
  });

  it('goes by our level, also where Lambda filters by one of its own', () => {
    vi.stubEnv('AWS_LAMBDA_LOG_LEVEL', 'DEBUG');
    const lines: string[] = [];
    vi.spyOn(process.stdout, 'write').mockImplementation((chunk) => {
      lines.push(String(chunk));
      return true;
    });
    vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
      lines.push(String(chunk));
      return true;
    });
    const logger = createLogger('test', 'warn');
    logger.debug('one');
    logger.info('two');
    logger.warn('three');
    expect(lines.map((line) => JSON.parse(line))).toMatchObject([
      { level: 'WARN', message: 'three', service: 'paceline-test' },
    ]);
  });
});

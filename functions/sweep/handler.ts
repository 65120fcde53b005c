import type { ScheduledEvent } from 'aws-lambda';
import { createClients } from '../../lib/aws/client/clients.ts';
import { createDeps } from '../../lib/aws/deps.ts';
import { functionConfig } from '../../lib/runtime/config.ts';
import { lambda } from '../../lib/runtime/lambda.ts';
import { countFields, gaugeFields } from '../../lib/runtime/metrics.ts';
import { emptyMemory, sweep } from './sweep.ts';
import type { Swept } from './swept.ts';

export const handler = lambda<ScheduledEvent, ReturnType<typeof setUp>, Swept>(
  'sweep',
  setUp,
  async (_event, { deps, memory }, { logger, metrics }) => {
    const failed = (part: string, error: unknown) =>
      logger.error('a part of the sweep failed', { part, error: error as Error });
    const swept = await sweep(deps, failed, memory);
    countFields(metrics, swept);
    gaugeFields(metrics, swept.fleet ?? {});
    logger.info('swept', { ...swept });
    return swept;
  },
);

function setUp(env: NodeJS.ProcessEnv) {
  return { deps: createDeps(functionConfig(env), createClients()), memory: emptyMemory() };
}

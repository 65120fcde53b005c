import type { ScheduledEvent } from 'aws-lambda';
import { createClients } from '../../lib/aws/clients.ts';
import { createDeps, type Deps } from '../../lib/aws/deps.ts';
import { functionConfig } from '../../lib/runtime/config.ts';
import { lambda } from '../../lib/runtime/lambda.ts';
import { type Swept, sweep } from './sweep.ts';

export const handler = lambda<ScheduledEvent, Deps, Swept>(
  'sweep',
  (env) => createDeps(functionConfig(env), createClients()),
  async (_event, deps, { logger }) => {
    const swept = await sweep(deps, (part, error) =>
      logger.error('a part of the sweep failed', { part, error: error as Error }),
    );
    logger.info('swept', { ...swept });
    return swept;
  },
);

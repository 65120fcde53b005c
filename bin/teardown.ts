import { parseArgs } from 'node:util';
import { createClients, destroyClients } from '../lib/aws/client/clients.ts';
import { queueExists, removeQueuesByPrefix } from '../lib/aws/teardown.ts';
import { lanePrefix, physicalName, wakeQueuePrefix } from '../lib/infra/settings.ts';

/** Removes queues that `cdk destroy` does not know: the lanes and wake queues of a stage whose service stack is gone. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { stage: { type: 'string' } } });
  const { stage } = values;
  if (stage === undefined || !/^[a-z][a-z0-9]{0,11}$/.test(stage)) {
    throw new Error('Say which stage: npm run teardown -- --stage dev');
  }
  const clients = createClients();
  try {
    if (await queueExists(clients.sqs, physicalName(stage, 'feed.fifo'))) {
      throw new Error(
        `Stage ${stage} still runs, and its accounts would lose their lanes. First run: npx cdk destroy -c stage=${stage} Paceline-${stage}-Service`,
      );
    }
    const lanes = await removeQueuesByPrefix(clients.sqs, lanePrefix(stage));
    const wakeQueues = await removeQueuesByPrefix(clients.sqs, wakeQueuePrefix(stage));
    console.log(`Removed ${lanes} lanes and ${wakeQueues} wake queues of stage ${stage}.`);
  } finally {
    destroyClients(clients);
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
});

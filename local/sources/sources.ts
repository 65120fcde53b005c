import { createHash } from 'node:crypto';
import { appendFileSync } from 'node:fs';
import { GetQueueUrlCommand } from '@aws-sdk/client-sqs';
import type { DataFolder } from '../data-folder.ts';
import type { Invocable } from '../functions/function.ts';
import type { Endpoints } from '../process/environment.ts';
import type { LocalClients } from '../provision/provision.ts';
import type { LocalPlan } from '../template/plan.ts';
import { pollQueue } from './queue-poller.ts';
import { runSchedule } from './schedule.ts';
import { type Checkpoints, pollStream } from './stream-poller.ts';

/** Maximum number of concurrent batches. More of them only slow each other down on one machine. */
const MAX_CONCURRENCY = 10;

/** Starts all pollers and schedules of the plan. The returned function stops them and resolves when the last batch has ended. */
export async function startSources(options: {
  plan: LocalPlan;
  target: (functionArn: string) => Invocable;
  clients: LocalClients;
  endpoints: Endpoints;
  folder: DataFolder;
  log: (line: string) => void;
}): Promise<() => Promise<void>> {
  const { plan, target, clients, endpoints, folder, log } = options;
  const stopping = new AbortController();
  const { signal } = stopping;
  const running: Promise<void>[] = [];
  const queueUrls = await Promise.all(plan.queueSources.map((source) => urlOf(source.queueArn, clients)));
  for (const [index, source] of plan.queueSources.entries()) {
    const poller = {
      ...source,
      sqs: clients.sqs,
      queueUrl: queueUrls[index] ?? '',
      target: target(source.functionArn),
      concurrency: Math.min(source.maxConcurrency, MAX_CONCURRENCY),
      log,
    };
    running.push(pollQueue(poller, signal));
  }
  for (const source of plan.streamSources) {
    const name = createHash('sha256').update(`${source.streamArn} ${source.functionArn}`).digest('hex').slice(0, 12);
    running.push(
      pollStream(
        {
          ...source,
          endpoint: endpoints.dynamodb,
          target: target(source.functionArn),
          checkpoints: checkpointsIn(folder, `stream-${name}.json`),
          park: (records, reason) => {
            log(`${records.length} stream records were given up (${reason}); their keys are in logs/parked.ndjson`);
            // Keys only: the images may hold data that must not be logged.
            const lines = records.map(({ dynamodb: { Keys, SequenceNumber } }) =>
              [JSON.stringify({ reason, Keys, SequenceNumber }), '\n'].join(''),
            );
            appendFileSync(`${folder.folder('logs')}/parked.ndjson`, lines.join(''));
          },
          log,
        },
        signal,
      ),
    );
  }
  for (const schedule of plan.schedules) running.push(runSchedule(schedule, target(schedule.functionArn), log, signal));
  return async () => {
    stopping.abort();
    await Promise.allSettled(running);
  };
}

function checkpointsIn(folder: DataFolder, file: string): Checkpoints {
  const kept: Record<string, string> = folder.read<Record<string, string>>(file) ?? {};
  return {
    load: (shardId) => kept[shardId],
    save: (shardId, sequenceNumber) => {
      kept[shardId] = sequenceNumber;
      folder.write(file, kept);
    },
  };
}

async function urlOf(queueArn: string, { sqs }: LocalClients): Promise<string> {
  const { QueueUrl = '' } = await sqs.send(new GetQueueUrlCommand({ QueueName: queueArn.split(':').at(-1) }));
  return QueueUrl;
}

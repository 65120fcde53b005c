import { setTimeout as sleep } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { runChaos } from './chaos.ts';

/** The most telling faults once each, at fixed moments; `npm run chaos` deals them at random for ten minutes. */
it('loses nothing and repeats nothing while hosts die, hang and leave, connections break and AWS fails', async () => {
  const lines: string[] = [];
  const report = await runChaos({
    seed: 20_260,
    hosts: 3,
    accounts: 12,
    paced: 2,
    phones: 6,
    contracts: 12,
    rows: 20,
    atLeastOpen: 9,
    spreadMs: 1_000,
    finishWithinMs: 60_000,
    say: (line) => lines.push(line),
    async breakThings(can, begin) {
      // All are at work by then.
      await sleep(3000);
      begin(can.killSlowHost('s3'));
      await sleep(2500);
      begin(can.freezeHost(13_000));
      begin(can.pauseContract(5_000));
      begin(can.withholdAcks(2));
      begin(can.strangersWrite(3));
      for (const service of ['dynamodb', 'sqs', 's3'] as const) {
        begin(can.disturb([service], ['lose-answer'], 1000, 0.3));
        await sleep(1000);
      }
      begin(can.disturb(['dynamodb', 'sqs', 's3'], ['error', 'throttle'], 800, 0.3));
      begin(can.disturb(['sqs', 's3'], ['hang', 'swallow-answer'], 800, 0.15));
      begin(can.closeConnections(503, 0.25));
      begin(can.replaceConnection());
      await sleep(4000);
      begin(can.dropConnections(0.25));
      begin(can.killFunctions());
      await sleep(3000);
      begin(can.endHost());
    },
  });
  if (process.env.CHAOS_LINES !== undefined) console.log(lines.join('\n'), report);
  expect(report.failures, lines.join('\n')).toEqual([]);
}, 300_000);

import { expect, it } from 'vitest';
import type { Host } from '../../../lib/aws/hosts/hosts.ts';
import type { HostDeps } from '../../../socket-host/deps.ts';
import { Fleet } from '../../../socket-host/host/fleet.ts';
import { manualClock } from '../../harness/manual-clock.ts';

const other: Host = {
  id: 'hst_other',
  beat: 1,
  beatAt: 0,
  wakeQueueUrl: 'http://127.0.0.1/wake',
  startedAt: 0,
  accounts: 0,
  room: 10,
};

/** A fleet that finds these hosts; `read` is awaited between the reading and the answer. */
function fleetOf(hosts: () => Host[], read: () => Promise<void> = async () => {}) {
  const clock = manualClock();
  const queryAll = async () => {
    const found = hosts();
    await read();
    return found.map(({ wakeQueueUrl, ...host }) => ({ ...host, inboxUrl: wakeQueueUrl }));
  };
  const deps = { hostId: 'hst_self', fleetClock: clock, table: { queryAll } };
  return { clock, fleet: new Fleet(deps as unknown as HostDeps) };
}

it('takes a host for dead once its counter has stood still for ten seconds', async () => {
  const { clock, fleet } = fleetOf(() => [other]);
  await fleet.refresh();
  await clock.advance(9_900);
  await fleet.refresh();
  expect(fleet.isDead(other.id)).toBe(false);
  await clock.advance(200);
  await fleet.refresh();
  expect(fleet.isDead(other.id)).toBe(true);
});

it('takes no host for dead because an answer about it was long in coming', async () => {
  let late = false;
  const { clock, fleet } = fleetOf(
    () => [other],
    async () => {
      if (late) await clock.advance(9_000);
    },
  );
  await fleet.refresh();
  await clock.advance(2_000);
  late = true;
  await fleet.refresh();
  expect(fleet.isDead(other.id)).toBe(false);
});

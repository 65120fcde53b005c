import {
  beat,
  createWakeQueue,
  type Host,
  isWakeQueueGone,
  takeNotes,
  type WakeNote,
} from '../../lib/aws/hosts/hosts.ts';
import { heartbeatMs } from '../../lib/domain/hosts/ownership.ts';
import type { HostDeps } from '../deps.ts';
import type { FenceCause } from '../metrics.ts';
import { lookEveryMs } from './placement.ts';

/** Interval (ms) at which the lease is checked. */
const leaseCheckMs = 500;

/** After this time (ms) without an answer the next beat is sent: one call that hangs must not cost the lease, and with it all accounts. */
const beatHangsMs = 1_500;

/** Why a heartbeat was refused. */
export const retiredAsDead = 'this host was retired as dead';

export type Fence = (why: string, cause: FenceCause) => void;

/** The part of a host's item that each heartbeat writes. */
export type HostState = Pick<Host, 'accounts' | 'room' | 'draining'>;

/** Sends heartbeats until the signal fires. Fences the host when its lease is over, or when others have retired it. */
export async function heartbeats(
  deps: HostDeps,
  state: () => HostState,
  fence: Fence,
  signal: AbortSignal,
): Promise<void> {
  const { clock, fleetClock, lease } = deps;
  /** Sends one beat. Resolves with the wait before the next one. */
  const send = async (): Promise<number> => {
    const moment = lease.moment();
    try {
      if (await beat(deps.table, { id: deps.hostId, beatAt: clock.nowMs(), ...state() })) {
        lease.renew(moment);
        return heartbeatMs;
      }
      if (signal.aborted) return 0;
      deps.failed('heartbeat', new Error(retiredAsDead));
      fence(retiredAsDead, 'retired');
      return 500;
    } catch (error) {
      if (signal.aborted) return 0;
      deps.failed('heartbeat', error);
      return 500;
    }
  };
  while (!signal.aborted) {
    // A beat after a freeze would show others that this host lives.
    if (!lease.valid()) return fence('the heartbeat stood still for too long', 'lease_lost');
    const waitMs = await Promise.race([send(), fleetClock.sleep(beatHangsMs, signal).then(() => 0)]);
    await fleetClock.sleep(waitMs, signal);
  }
}

/** Fences the host when its lease is over, even while a heartbeat hangs. */
export async function watchLease(deps: HostDeps, fence: Fence, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    if (!deps.lease.valid()) return fence('the heartbeat stood still for too long', 'lease_lost');
    await deps.fleetClock.sleep(leaseCheckMs, signal);
  }
}

/** Handles the notes of this host's wake queue until the signal fires. */
export async function notes(
  deps: HostDeps,
  wakeQueueUrl: string,
  signal: AbortSignal,
  handle: (note: WakeNote) => Promise<void>,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await Promise.all((await takeNotes(deps.sqs, wakeQueueUrl, signal)).map(handle));
    } catch (error) {
      if (signal.aborted) return;
      deps.failed('wake queue', error);
      // The queue was removed. SQS allows a queue of the same name only a minute later, so this may fail at first.
      if (isWakeQueueGone(error))
        await createWakeQueue(deps.sqs, deps.config.WAKE_QUEUE_PREFIX, deps.hostId).catch(() => undefined);
      await deps.clock.sleep(1000, signal);
    }
  }
}

/** Calls `look` every two seconds until the signal fires. */
export async function looks(deps: HostDeps, signal: AbortSignal, look: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    try {
      await look();
    } catch (error) {
      deps.failed('placement', error);
    }
    await deps.fleetClock.sleep(lookEveryMs, signal);
  }
}

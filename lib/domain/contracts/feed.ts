import { meanIntervalMs, type PacingPolicy } from '../accounts/pacing.ts';
import { type Lane, lanes } from '../messages/message.ts';

const bulkWindow = 50;
const expressWindow = 5;
const windowMs = 10_000;

/** A running contract as the feed sees it; `remaining` are its rows not fed yet, `fedAt` epoch ms of the last feed that took rows of it. */
export interface FeedCandidate {
  id: string;
  lane: Lane;
  remaining: number;
  fedAt?: number;
}

/** Returns how many messages a lane should hold: 5 in express; 50 in bulk, or ten seconds of the account's pace if that is more. */
export function windowOf(lane: Lane, policy: PacingPolicy | undefined): number {
  if (lane === 'express') return expressWindow;
  return Math.max(bulkWindow, Math.floor(windowMs / meanIntervalMs(policy)));
}

/**
 * Returns how many new rows each contract gets, in the order to feed them. The free part of the lane's window is shared equally. The share that a
 * contract cannot use goes to the others. Rows left over go to those that have waited longest. Contracts without rows are left out.
 */
export function planFeed(input: {
  queued: Record<Lane, number>;
  contracts: readonly FeedCandidate[];
  policy: PacingPolicy | undefined;
}): { contractId: string; rows: number }[] {
  return lanes.flatMap((lane) => {
    const candidates = input.contracts.filter((contract) => contract.lane === lane && contract.remaining > 0);
    return share(windowOf(lane, input.policy) - input.queued[lane], candidates.sort(longestWaiting));
  });
}

function share(room: number, candidates: readonly FeedCandidate[]): { contractId: string; rows: number }[] {
  const shares = candidates.map(({ id, remaining }) => ({ contractId: id, rows: 0, remaining }));
  let left = Math.max(0, Math.floor(room));
  while (left > 0) {
    const hungry = shares.filter(({ remaining }) => remaining > 0);
    if (hungry.length === 0) break;
    const portion = Math.max(1, Math.floor(left / hungry.length));
    for (const one of hungry) {
      const rows = Math.min(portion, one.remaining, left);
      one.rows += rows;
      one.remaining -= rows;
      left -= rows;
    }
  }
  return shares.filter(({ rows }) => rows > 0).map(({ contractId, rows }) => ({ contractId, rows }));
}

function longestWaiting(a: FeedCandidate, b: FeedCandidate): number {
  const byTime = (a.fedAt ?? Number.NEGATIVE_INFINITY) - (b.fedAt ?? Number.NEGATIVE_INFINITY);
  if (byTime < 0 || byTime > 0) return byTime;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}

import type { ConnectionChange } from '../../simulator/connection/connections.ts';
import type { World } from '../../test/harness/local-stack.ts';

/** One account's connections from a moment on, as the simulator saw them. Times are seconds. */
export interface Coverage {
  number: string;
  /** Stretches without any connection, each in seconds; one that has not ended counts up to the end of the look. */
  gaps: number[];
  /** Connections that became ready. */
  connects: number;
  /** Whether one stands at the end of the look. */
  connected: boolean;
}

export async function connectionChanges(world: World): Promise<ConnectionChange[]> {
  return (await world.simulator<{ changes: ConnectionChange[] }>('GET', '/connections')).changes;
}

/** How each account of `numbers` was connected between two moments (epoch ms), by the simulator's clock. */
export function coverageOf(changes: ConnectionChange[], numbers: string[], fromMs: number, toMs: number): Coverage[] {
  const byNumber = new Map<string, ConnectionChange[]>(numbers.map((number) => [number, []]));
  for (const change of changes) if (change.atMs <= toMs) byNumber.get(change.number)?.push(change);
  return [...byNumber].map(([number, own]) => coverageOfOne(number, own, fromMs, toMs));
}

function coverageOfOne(number: string, changes: ConnectionChange[], fromMs: number, toMs: number): Coverage {
  const gaps: number[] = [];
  let open = 0;
  let connects = 0;
  let gapSinceMs: number | undefined = fromMs;
  for (const { change, atMs } of changes) {
    if (change === 'live') {
      if (atMs > fromMs) connects += 1;
      if (open === 0 && gapSinceMs !== undefined && atMs > fromMs) gaps.push((atMs - gapSinceMs) / 1000);
      open += 1;
      gapSinceMs = undefined;
      continue;
    }
    open -= 1;
    if (open === 0) gapSinceMs = Math.max(atMs, fromMs);
  }
  if (gapSinceMs !== undefined) gaps.push((toMs - gapSinceMs) / 1000);
  return { number, gaps, connects, connected: open > 0 };
}

import type { HostDeps } from '../deps.ts';
import type { HostMetrics } from '../metrics.ts';

const everyMs = 60_000;

/**
 * Logs how many messages of people came for the first time and how many of them were stored, in each minute with any and once more at the end.
 * CloudWatch counts these lines (lib/infra/inbound.ts), because a host's own metrics stay within its task.
 */
export async function inboundLines(
  { metrics, logger, clock }: Pick<HostDeps, 'metrics' | 'logger' | 'clock'>,
  signal: AbortSignal,
): Promise<void> {
  let logged = await countsOf(metrics);
  for (let ended = false; !ended; ) {
    await clock.sleep(everyMs, signal);
    ended = signal.aborted;
    const now = await countsOf(metrics);
    // A message that could not be read counts as repeated although it was not received.
    const received = Math.max(0, now.received - logged.received);
    const stored = now.stored - logged.stored;
    if (received > 0 || stored > 0) logger.info({ inbound: { received, stored } }, 'messages of people');
    logged = now;
  }
}

async function countsOf({ inbound }: Pick<HostMetrics, 'inbound'>): Promise<{ received: number; stored: number }> {
  const { values } = await inbound.get();
  const of = (result: string): number => values.find(({ labels }) => labels.result === result)?.value ?? 0;
  return { received: of('received') - of('repeated'), stored: of('stored') };
}

import { pino } from 'pino';
import { createClients } from '../lib/aws/client/clients.ts';
import { cut } from '../lib/domain/well-formed.ts';
import { systemClock } from '../lib/runtime/clock.ts';
import { hostConfig } from '../lib/runtime/config.ts';
import { passKeysAsObjects } from '../lib/runtime/key-objects.ts';
import { systemRandom } from '../lib/runtime/random.ts';
import { whatsappTransports } from './baileys/factory.ts';
import { startHost } from './host/host.ts';

/** EX_TEMPFAIL of sysexits.h. The supervisor restarts the host. */
const fencedExitCode = 75;

/**
 * The socket-host process. Prints one line `{"hostId","metricsUrl"}` on stdout when it is ready. Logs JSON lines on stderr. Drains on SIGTERM
 * and SIGINT. Ends at once when its parent process has ended (IPC channel closed).
 */
passKeysAsObjects();
// Small buffers share slabs of this size. A buffer that lives as long as its connection keeps its whole slab, 64 KiB by default in Node.
Buffer.poolSize = 8192;
const config = hostConfig(process.env);
const logger = pino({ level: config.LOG_LEVEL, base: { service: 'paceline-host' } }, pino.destination(2));
const host = await startHost({
  config,
  clients: createClients({ maxSockets: 1000 }),
  clock: systemClock,
  logger,
  random: systemRandom.number,
  transports: whatsappTransports(config),
  onFenced: (why, fence) => {
    logger.error({ why, fence }, 'this host may not act any more and ends, to be started afresh');
    process.exit(fencedExitCode);
  },
});
process.stdout.write(`${JSON.stringify({ hostId: host.id, metricsUrl: host.metricsUrl })}\n`);

// Baileys does not await some of its promises: one account's failure must not end the process of all others.
process.on('unhandledRejection', (error) => {
  logger.error(
    { error: error instanceof Error ? `${error.name}: ${cut(error.message, 200)}` : 'unknown' },
    'an unhandled rejection',
  );
});

let stopping: Promise<void> | undefined;
const stop = (why: string): void => {
  if (stopping !== undefined) return;
  logger.info({ why }, 'draining');
  stopping = host.stop();
  stopping.then(
    () => process.exit(0),
    (error: unknown) => {
      logger.error({ error: String(error) }, 'the drain did not end cleanly');
      process.exit(1);
    },
  );
};
process.on('SIGTERM', () => stop('SIGTERM'));
process.on('SIGINT', () => stop('SIGINT'));
// The parent process has ended. The next owner of each account resolves its message in hand.
process.on('disconnect', () => process.exit(1));

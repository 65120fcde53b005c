import * as z from 'zod';
import { startSimulator } from './server.ts';

/** Runs the simulator as a process. It prints its addresses as one JSON line on stdout, and warnings as JSON lines on stderr. */
const environment = z
  .object({
    SIMULATOR_PORT: z.coerce.number().int().min(0).max(65_535).default(0),
    SIMULATOR_DATA_DIR: z.string().min(1).optional(),
  })
  .parse(process.env);

/** The interval of checks that the parent, which may be killed at any time, still runs. */
const PARENT_CHECK_MS = 500;
/** A stop that takes longer is cut short. Nothing is lost: changes are durable before each ack. */
const STOP_WITHIN_MS = 1000;
// Read before all else, so that the death of the parent during the start is noticed too.
const parent = process.ppid;

const say = (level: string) => (details: object, message: string) =>
  process.stderr.write(`${JSON.stringify({ level, ...details, message })}\n`);

const simulator = await startSimulator({
  port: environment.SIMULATOR_PORT,
  logger: { info: () => undefined, warn: say('warn') },
  ...(environment.SIMULATOR_DATA_DIR === undefined ? {} : { dataDir: environment.SIMULATOR_DATA_DIR }),
});

const { url, whatsappUrl, rootKeyHex } = simulator;
process.stdout.write(`${JSON.stringify({ url, whatsappUrl, rootKeyHex })}\n`);

const parentCheck = setInterval(() => {
  if (process.ppid !== parent) end();
}, PARENT_CHECK_MS);

let ending = false;
function end(): void {
  if (ending) return;
  ending = true;
  clearInterval(parentCheck);
  setTimeout(() => process.exit(1), STOP_WITHIN_MS);
  simulator.stop().then(
    () => process.exit(0),
    () => process.exit(1),
  );
}

process.on('SIGTERM', end);
process.on('SIGINT', end);
process.on('disconnect', end);

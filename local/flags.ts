import { parseArgs } from 'node:util';
import { UsageError } from './data-folder.ts';

export interface Flags {
  help: boolean;
  port: number | undefined;
  dataDir: string;
  hosts: number;
  whatsapp: 'simulator' | 'real';
  reset: boolean;
}

export const HELP = `npm start -- [flags]     runs the whole gateway on this machine

  --port N          port of the HTTP API (default: a free one, kept for next time)
  --data DIR        folder for all data (default: .paceline)
  --hosts N         socket hosts (default: 1)
  --whatsapp real   WhatsApp itself instead of the simulator; breaks WhatsApp's terms of service
  --reset           empty the data folder first
  --help            this text`;

export const DEMO_HELP = `npm run demo -- [flags]  links a simulated phone, sends examples/recipients.csv, shows the result

  --exit            end when it is done; without it everything stays up until Ctrl-C
  --help            this text`;

const MAX_HOSTS = 16;

/** Parses the command line. Throws UsageError with one sentence for an unknown flag or a wrong value. */
export function parseFlags(args: string[]): Flags {
  const values = parsed(() => parse(args), 'npm start -- --help');
  if (values.whatsapp !== undefined && values.whatsapp !== 'real') {
    throw new UsageError(`--whatsapp takes only "real", not "${values.whatsapp}"; without it the simulator is used.`);
  }
  return {
    help: values.help === true,
    port: values.port === undefined ? undefined : whole('--port', values.port, 1, 65_535),
    dataDir: values.data ?? '.paceline',
    hosts: whole('--hosts', values.hosts ?? '1', 1, MAX_HOSTS),
    whatsapp: values.whatsapp === 'real' ? 'real' : 'simulator',
    reset: values.reset === true,
  };
}

/** Parses the command line of the demo. Throws UsageError as `parseFlags` does. */
export function parseDemoFlags(args: string[]): { help: boolean; exit: boolean } {
  const options = { exit: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } } as const;
  const values = parsed(() => parseArgs({ args, options }).values, 'npm run demo -- --help');
  return { help: values.help === true, exit: values.exit === true };
}

function parsed<T>(parse: () => T, help: string): T {
  try {
    return parse();
  } catch (error) {
    // The first sentence of Node's message names the mistake; the rest is about escaping.
    const what = error instanceof Error ? (error.message.split('. ')[0] ?? '').replace(/\.$/, '') : String(error);
    throw new UsageError(`${what}; see ${help}.`);
  }
}

function parse(args: string[]) {
  return parseArgs({
    args,
    options: {
      port: { type: 'string' },
      data: { type: 'string' },
      hosts: { type: 'string' },
      whatsapp: { type: 'string' },
      reset: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
  }).values;
}

function whole(flag: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most && /^\d+$/.test(text)) return value;
  throw new UsageError(`${flag} takes a whole number from ${least} to ${most}, not "${text}".`);
}

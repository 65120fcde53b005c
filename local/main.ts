import { UsageError } from './data-folder.ts';
import { type Flags, HELP, parseFlags } from './flags.ts';
import { showLinkCodes } from './link-codes.ts';
import { TemplateChanged } from './provision/changed.ts';
import { type LocalStack, startLocal } from './stack.ts';
import { REAL_WARNING, summary } from './summary.ts';

/** Runs `npm start` until Ctrl-C, SIGTERM or SIGHUP. Returns the exit status: 0 for a clean end, 1 for a failed start, 2 for a wrong command line. */
export async function main(args: string[]): Promise<number> {
  let flags: Flags;
  try {
    flags = parseFlags(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    return 2;
  }
  if (flags.help) {
    console.log(HELP);
    return 0;
  }
  const ending = endingSignal();
  if (flags.whatsapp === 'real') console.log(REAL_WARNING);
  let stack: LocalStack;
  try {
    stack = await startLocal({
      dataDir: flags.dataDir,
      hosts: flags.hosts,
      whatsapp: flags.whatsapp,
      reset: flags.reset,
      ...(flags.port === undefined ? {} : { port: flags.port }),
      onProgress: (sentence) => console.log(`  ${sentence} ..`),
      onRestart: (sentence) => console.log(`  Note: ${sentence}`),
    });
  } catch (error) {
    const expected = error instanceof UsageError || error instanceof TemplateChanged;
    console.error(
      expected ? error.message : `Paceline did not start. ${error instanceof Error ? error.message : error}`,
    );
    return 1;
  }
  if (!ending.aborted) console.log(summary(stack));
  const codes = stack.simulatorUrl === undefined ? showLinkCodes(stack, ending) : undefined;
  await aborted(ending);
  console.log('\nStopping ..');
  await codes;
  await stack.stop();
  return 0;
}

/** Returns a signal that aborts at the first Ctrl-C, SIGTERM or SIGHUP. A second one ends this process at once, and the children follow. */
function endingSignal(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (controller.signal.aborted) process.exit(130);
      controller.abort();
    });
  }
  return controller.signal;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

import { join } from 'node:path';
import { build } from 'esbuild';

const projectRoot = join(import.meta.dirname, '..');

/** What `node bin/build-host.ts` makes, from the project folder. */
export const hostProgram = 'dist/socket-host.mjs';

/**
 * Puts the socket host's own code into one file of JavaScript; packages stay where they are, so the file must lie beside or below their
 * node_modules. A process that takes types out of its modules itself keeps some 15 MB for that as long as it lives. Names are not
 * kept by force, which would give each closure of each account a property of its own: 30 KB an account; nothing is renamed anyway.
 */
export async function buildHost(outfile: string = join(projectRoot, hostProgram)): Promise<void> {
  await build({
    entryPoints: [join(projectRoot, 'socket-host/main.ts')],
    outfile,
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    target: 'node24',
    logLevel: 'warning',
  });
}

if (import.meta.main) await buildHost();

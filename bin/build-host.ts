import { join } from 'node:path';
import { build } from 'esbuild';

const projectRoot = join(import.meta.dirname, '..');

/** The file that `node bin/build-host.ts` makes, relative to the project folder. */
export const hostProgram = 'dist/socket-host.mjs';

/**
 * Bundles the socket host's own code into one JavaScript file. Packages are not bundled, so the file must be beside or below their node_modules.
 * The bundle saves the 15 MB that a process keeps when it strips types itself. esbuild's `keepNames` is off: it would give each closure of each
 * account a property, 30 KB an account, and nothing is renamed anyway.
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

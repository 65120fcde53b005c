import { accessSync, constants, existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';

/** Returns the path of dynoxide: from its package on Linux x64, otherwise from the PATH; undefined when neither has it. */
export function findDynoxide(path = process.env.PATH ?? ''): string | undefined {
  if (process.platform === 'linux' && process.arch === 'x64') {
    try {
      const packageFile = createRequire(import.meta.url).resolve('@dynoxide/linux-x64/package.json');
      const binary = join(dirname(packageFile), 'dynoxide');
      if (existsSync(binary)) return binary;
    } catch {
      // Not installed: optional dependencies can be left out.
    }
  }
  const name = process.platform === 'win32' ? 'dynoxide.exe' : 'dynoxide';
  return path
    .split(delimiter)
    .map((dir) => join(dir, name))
    .find((file) => canRun(file));
}

function canRun(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

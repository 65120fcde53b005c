import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../..', import.meta.url));

/** The layers of the product, without tools, tests and local mode. */
export const productLayers = ['lib', 'functions', 'socket-host'];

/** Returns the TypeScript files below a folder of the project, as absolute paths. */
export function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** The file's path from the root of the project. */
export const nameOf = (file: string): string => relative(root, file);

/** Returns the text of a file without its comments. */
export function codeOf(file: string): string {
  return readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
}

/** Returns what a file imports: project files as paths from the root, packages by name. Type-only imports are marked. */
export function importsOf(file: string): { target: string; typeOnly: boolean }[] {
  const text = readFileSync(file, 'utf8');
  const found = text.matchAll(/^(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'/gm);
  return [...found].map(([, type, from = '']) => ({
    target: from.startsWith('.') ? relative(root, resolve(dirname(file), from)) : from,
    typeOnly: type !== undefined,
  }));
}

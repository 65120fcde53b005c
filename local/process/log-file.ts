import { closeSync, fstatSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';

const MAX_BYTES = 5 * 1024 * 1024;
const TAIL_CHARS = 4000;

/** A log file of up to 5 MiB. When full, it is renamed to `<file>.1`, which replaces the former one. `tail` is its last 4,000 characters. */
export class LogFile {
  readonly path: string;
  #fd: number;
  #bytes: number;
  #tail = '';

  constructor(path: string) {
    this.path = path;
    mkdirSync(dirname(path), { recursive: true });
    this.#fd = openSync(path, 'a');
    this.#bytes = fstatSync(this.#fd).size;
  }

  get tail(): string {
    return this.#tail;
  }

  write(chunk: Buffer | string): void {
    if (this.#fd < 0) return;
    this.#tail = (this.#tail + chunk.toString()).slice(-TAIL_CHARS);
    this.#bytes += writeSync(this.#fd, typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
    if (this.#bytes < MAX_BYTES) return;
    closeSync(this.#fd);
    renameSync(this.path, `${this.path}.1`);
    this.#fd = openSync(this.path, 'a');
    this.#bytes = 0;
  }

  close(): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }
}

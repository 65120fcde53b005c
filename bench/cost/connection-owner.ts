import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { hostProgram } from '../../bin/build-host.ts';

/**
 * Which of our child processes is at the other end of a loopback connection: `host`, a function's name, or `unknown`. By Linux' own lists,
 * so that nothing about the processes needs to be changed. `port` is the other end's, `ourPort` this one's: several connections may
 * begin at the same port as long as they lead elsewhere.
 */
export function ownerOf(port: number, ourPort: number): string {
  const inode = inodeOf(port, ourPort);
  if (inode === undefined) return 'unknown';
  for (const pid of childProcesses()) if (holds(pid, inode)) return nameOf(pid);
  return 'unknown';
}

const inHex = (port: number): string => `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;

function inodeOf(port: number, ourPort: number): string | undefined {
  const [local, remote] = [inHex(port), inHex(ourPort)];
  for (const line of readFileSync('/proc/self/net/tcp', 'utf8').split('\n')) {
    const fields = line.trim().split(/\s+/);
    if (fields[1] === local && fields[2] === remote) return fields[9];
  }
  return undefined;
}

function childProcesses(): string[] {
  return readdirSync('/proc').filter((name) => /^\d+$/.test(name) && parentOf(name) === process.pid);
}

function parentOf(pid: string): number | undefined {
  const stat = read(`/proc/${pid}/stat`);
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
}

function holds(pid: string, inode: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => link(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`);
  } catch {
    return false;
  }
}

function nameOf(pid: string): string {
  const words = read(`/proc/${pid}/cmdline`).split('\0');
  if (words.includes(hostProgram)) return 'host';
  const at = words.findIndex((word) => word.endsWith('local/function-process.ts'));
  const identity: unknown = at < 0 ? undefined : JSON.parse(words[at + 1] ?? '{}');
  return typeof identity === 'object' && identity !== null && 'name' in identity ? String(identity.name) : 'unknown';
}

/** Empty when the process has gone. */
function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** Undefined when the file has been closed meanwhile. */
function link(file: string): string | undefined {
  try {
    return readlinkSync(file);
  } catch {
    return undefined;
  }
}

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Frame {
  functionName: string;
  url: string;
}
interface Profile {
  nodes: { id: number; callFrame: Frame; children?: number[] }[];
  startTime: number;
  samples: number[];
  timeDeltas: number[];
}
interface Window {
  pid: number | undefined;
  /** A stretch of the system's monotonic clock, in microseconds; default: the whole profile. */
  fromUs?: number;
  toUs?: number;
  messages: number;
  /** The CPU time of the whole process, native threads included; the profile counts the main thread's time, waiting for a core included. */
  cpuMs?: number;
  title: string;
}

const root = join(import.meta.dirname, '..');

/** Prints where a process spent its CPU time, in ms per message: by part, and the functions that took most themselves. */
export function printProfile(folder: string, window: Window): void {
  const file = readdirSync(folder).find((name) => name.split('.')[3] === String(window.pid));
  if (file === undefined) {
    console.log(`There is no profile of ${window.title}.`);
    return;
  }
  const profile: Profile = JSON.parse(readFileSync(join(folder, file), 'utf8'));
  const nodes = new Map(profile.nodes.map((node) => [node.id, node]));
  const parents = new Map(profile.nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id])));
  const parts = new Map<string, number>();
  const functions = new Map<string, number>();
  let atUs = profile.startTime;
  for (const [index, id] of profile.samples.entries()) {
    const deltaUs = profile.timeDeltas[index] ?? 0;
    atUs += deltaUs;
    if (atUs < (window.fromUs ?? 0) || atUs > (window.toUs ?? Number.POSITIVE_INFINITY)) continue;
    const frames: Frame[] = [];
    for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
      const node = nodes.get(at);
      if (node !== undefined) frames.push(node.callFrame);
    }
    const [leaf] = frames;
    if (leaf === undefined || leaf.functionName === '(idle)') continue;
    const part = partOf(frames);
    parts.set(part, (parts.get(part) ?? 0) + deltaUs);
    const name = `${leaf.functionName || '(anonymous)'}  ${shortened(leaf.url)}`;
    functions.set(name, (functions.get(name) ?? 0) + deltaUs);
  }
  const perMessage = (us: number): string => (us / 1000 / window.messages).toFixed(3);
  const sorted = (of: Map<string, number>) => [...of].sort(([, a], [, b]) => b - a);
  const all = [...parts.values()].reduce((sum, us) => sum + us, 0);
  const cpu = window.cpuMs === undefined ? '' : `; CPU of all threads ${perMessage(window.cpuMs * 1000)}`;
  console.log(`\n${window.title}: main thread ${perMessage(all)} ms per message${cpu}`);
  console.table(
    sorted(parts)
      .filter(([, us]) => us > all / 200)
      .map(([part, us]) => ({ part, 'ms/message': perMessage(us), share: `${((100 * us) / all).toFixed(0)} %` })),
  );
  console.table(
    sorted(functions)
      .slice(0, 25)
      .map(([name, us]) => ({ function: name, 'ms/message': perMessage(us) })),
  );
}

/** Node's own functions count for their caller. */
function partOf(frames: Frame[]): string {
  const [leaf] = frames;
  if (leaf?.functionName === '(garbage collector)') return 'garbage collection';
  if (leaf?.functionName === '(program)') return 'native code outside JavaScript';
  for (const { url } of frames) {
    if (/^node:(internal\/)?zlib/.test(url)) return 'zlib';
    if (!url.startsWith('file:')) continue;
    const path = shortened(url);
    const [, name] = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path) ?? [];
    if (name !== undefined) return name;
    if (path.startsWith('socket-host/auth/cache')) return 'socket-host/auth/cache.ts (SQLite)';
    return path.startsWith('socket-host/auth/') ? 'socket-host/auth' : path.split('/').slice(0, 2).join('/');
  }
  return 'Node: streams, sockets, timers';
}

function shortened(url: string): string {
  return url.replace(`file://${root}/`, '');
}

/**
 * An account's objects, all create-only, below its prefix `<tenant>/<account>/`:
 *
 *   log/<n>        segment n; numbered from 1 without a gap
 *   run/<m>-<n>    the final value of every key changed in segments m to n
 *   snap/<n>       the state after segment n
 *
 * Numbers have 12 digits, so that keys sort as numbers do.
 */
const digits = 12;

const padded = (number: number): string => String(number).padStart(digits, '0');

export function segmentKey(prefix: string, number: number): string {
  return `${prefix}log/${padded(number)}`;
}

export function snapshotKey(prefix: string, number: number): string {
  return `${prefix}snap/${padded(number)}`;
}

export function runKey(prefix: string, from: number, to: number): string {
  return `${prefix}run/${padded(from)}-${padded(to)}`;
}

/** Returns the segment of an object; of a run the last one that it covers. */
export function numberOfKey(key: string): number {
  return Number(key.slice(-digits));
}

/** Returns the first segment that a run covers. */
export function firstOfRun(key: string): number {
  return Number(key.slice(-2 * digits - 1, -digits - 1));
}

/** Returns epoch milliseconds as ISO 8601 UTC; null for undefined. */
export function toIso(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

/** Returns epoch milliseconds as ISO 8601 UTC. */
export const isoOf = (ms: number): string => new Date(ms).toISOString();

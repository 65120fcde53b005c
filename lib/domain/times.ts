/** Epoch milliseconds as ISO 8601 UTC; null where there is none. */
export function toIso(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

/** The same for a time that is always there. */
export const isoOf = (ms: number): string => new Date(ms).toISOString();

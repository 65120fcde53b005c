/** The limits of a plan. A limit that is null does not exist. */
export interface PlanLimits {
  rateLimitPerSec: number | null;
  maxAccounts: number | null;
  messagesPerMonth: number | null;
  proxyGbLimit: number | null;
  onExceeded: 'block' | 'warn' | 'disconnect';
}

/** The limits of a plan that sets none. To add a limit: add it here and to the interface, and its schema in functions/api/admin/schema.ts. */
export const noLimits: PlanLimits = {
  rateLimitPerSec: null,
  maxAccounts: null,
  messagesPerMonth: null,
  proxyGbLimit: null,
  onExceeded: 'block',
};

/** Returns the limits of a stored plan. A plan of an earlier version has no value for a newer limit. */
export function limitsOf(stored: Partial<PlanLimits>): PlanLimits {
  const names = Object.keys(noLimits) as (keyof PlanLimits)[];
  return Object.fromEntries(names.map((name) => [name, stored[name] ?? noLimits[name]])) as unknown as PlanLimits;
}

import { isoOf } from '../times.ts';
import { addressOf } from './person.ts';
import type { Suppression, SuppressionSource } from './suppression.ts';

/** A suppression as answers and events show it. Times are ISO 8601 UTC. */
export interface SuppressionView {
  /** Digits, or `lid:` and the LID of a person known by LID alone. */
  phoneNumber: string;
  lid: string | null;
  reason: string;
  source: SuppressionSource;
  accountId: string | null;
  createdAt: string;
}

/** Returns a suppression as GET shows it. */
export function suppressionView(suppression: Suppression): SuppressionView {
  return {
    phoneNumber: addressOf(suppression),
    lid: suppression.lid ?? null,
    reason: suppression.reason,
    source: suppression.source,
    accountId: suppression.accountId ?? null,
    createdAt: isoOf(suppression.at),
  };
}

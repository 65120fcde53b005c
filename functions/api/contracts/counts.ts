import type { Accepted } from '../../../lib/accept/contracts.ts';
import type { FieldError } from '../../../lib/domain/errors.ts';
import type { ApiScope } from '../http/context.ts';

/** Returns the functions that count a new or extended contract in the metrics. */
export function acceptedCounts({ count }: Pick<ApiScope, 'count'>) {
  return {
    /** A contract was made. */
    created(): void {
      count('ContractsCreated');
    },
    /** Rows were accepted. */
    rows({ rows }: Pick<Accepted, 'rows'>): void {
      count('RecipientsAccepted', rows.length);
      count('MessagesAccepted', rows.filter(({ skip }) => skip === undefined).length);
    },
    /** Rows were refused, with these errors. */
    refused(errors: readonly FieldError[]): void {
      count('RecipientsRefused', new Set(errors.flatMap(({ row }) => row ?? [])).size);
    },
  };
}

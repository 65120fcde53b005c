import { textContent } from '../../domain/content.ts';
import { lidForm } from '../../domain/people/person.ts';
import { added, patch } from '../client/patch.ts';
import type { Table, Write } from '../client/table.ts';
import type { AccountRefs } from '../hosts/ownership.ts';
import { keys, ranges } from '../keys.ts';
import { contentWrite } from '../messages/contents.ts';

/** The text that confirms an opt-out to a person, once. The item exists until it is sent. Times are epoch milliseconds. */
export interface Confirmation {
  id: string;
  to: string;
  text: string;
  tries: number;
  at: number;
}

/** A confirmation may be sent this long after its opt-out. Later it would only be another message. */
const validMs = 10 * 60_000;
/** Most sendings of one confirmation. After a crash between the wire and the table, the same id and text go out again. */
const maxTries = 2;
const itemLifeSec = 24 * 3600;

/** Returns a confirmation and the writes that store it, for the transaction of the opt-out. `id`: a message id that no outsider can compute. */
export function planConfirmation(
  refs: AccountRefs,
  { id, to, text }: { id: string; to: string; text: string },
  nowMs: number,
): { confirmation: Confirmation; writes: Write[] } {
  const confirmation: Confirmation = { id, to, text, tries: 0, at: nowMs };
  const nowSec = Math.floor(nowMs / 1000);
  return {
    confirmation,
    writes: [
      { put: { ...keyOf(refs, to), type: 'confirmation', ...confirmation, ttl: nowSec + itemLifeSec } },
      // A confirmation has no message item. Account and recipient are stored here, because only the recipient's devices may ask for it again.
      contentWrite(refs.tenantId, id, textContent(text), nowMs, { accountId: refs.accountId, to }),
    ],
  };
}

/** Returns the writes that delete the unsent confirmations to a person with these addresses. */
export function confirmationsGone(refs: AccountRefs, addresses: string[]): Write[] {
  return addresses.filter(isNumber).map((to) => ({ delete: keyOf(refs, to) }));
}

/**
 * Counts one more sending; the caller sends the confirmation afterwards. Returns false when it must not be sent: deleted, replaced, too old, or
 * already sent `maxTries` times.
 */
export async function beginConfirmation(
  table: Table,
  refs: AccountRefs,
  { id, to }: Confirmation,
  nowMs: number,
): Promise<boolean> {
  const { refused } = await table.tryUpdate(keyOf(refs, to), {
    ...patch({ tries: added(1) }),
    condition: {
      isThisOne: thisOne(id),
      hasTriesLeft: { is: '#tries < :most', values: { ':most': maxTries } },
      isNotTooLate: { is: '#at > :oldest', names: { '#at': 'at' }, values: { ':oldest': nowMs - validMs } },
    },
  });
  return refused === undefined;
}

/** Deletes a finished confirmation, unless a newer one has replaced it. */
export async function endConfirmation(table: Table, refs: AccountRefs, { id, to }: Confirmation): Promise<void> {
  await table.tryDelete(keyOf(refs, to), { condition: { isThisOne: thisOne(id) } });
}

const thisOne = (id: string) => ({ is: 'id = :id', values: { ':id': id } });

/** Returns the account's confirmations that are not sent yet. */
export async function openConfirmations(table: Table, { tenantId, accountId }: AccountRefs): Promise<Confirmation[]> {
  return await table.queryAll<Confirmation>(ranges.confirmations(tenantId, accountId));
}

/** Returns the unsent confirmations to these numbers. */
export async function readConfirmations(table: Table, refs: AccountRefs, numbers: string[]): Promise<Confirmation[]> {
  const found = await table.getMany<Confirmation>(numbers.map((to) => keyOf(refs, to)));
  return found.filter((confirmation) => confirmation !== undefined);
}

/** Confirmations go to numbers, not to LIDs. */
const isNumber = (address: string): boolean => !lidForm.test(address);

const keyOf = (refs: AccountRefs, to: string) => keys.confirmation(refs.tenantId, refs.accountId, to);

import { textContent } from '../../domain/content.ts';
import { lidForm } from '../../domain/people/person.ts';
import { ConditionFailed, type Table, type Write } from '../client/table.ts';
import type { AccountRefs } from '../hosts/ownership.ts';
import { keys } from '../keys.ts';
import { contentWrite } from '../messages/contents.ts';

/** The text that tells a person once that the opt-out is done; it exists until it is sent. Times are epoch milliseconds. */
export interface Confirmation {
  id: string;
  to: string;
  text: string;
  tries: number;
  at: number;
}

/** After an opt-out it is said at once or never: later it would be just another message. */
const validMs = 10 * 60_000;
/** A crash between the wire and the table lets the same id and text go out once more. */
const maxTries = 2;
const itemLifeSec = 24 * 3600;

/** A confirmation and the writes that make it durable, for the transaction that stores the opt-out. `id`: a message id that no outsider can compute. */
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
      // Whose it is: only the recipient's devices may ask for it again, and a confirmation has no message item.
      contentWrite(refs.tenantId, id, textContent(text), nowMs, { accountId: refs.accountId, to }),
    ],
  };
}

/** The writes that take back what was not said yet to a person, under whichever of these addresses it would be said. */
export function confirmationsGone(refs: AccountRefs, addresses: string[]): Write[] {
  return addresses.filter(isNumber).map((to) => ({ delete: keyOf(refs, to) }));
}

/**
 * Counts one more sending, before it. False: it is not to be sent (any more): taken back, replaced, too old, or sent as often as it may be.
 */
export async function beginConfirmation(
  table: Table,
  refs: AccountRefs,
  { id, to }: Confirmation,
  nowMs: number,
): Promise<boolean> {
  try {
    await table.update(keyOf(refs, to), {
      update: 'ADD tries :one',
      // Clauses: still this one; not too often; not too late.
      condition: 'id = :id AND tries < :most AND #at > :oldest',
      names: { '#at': 'at' },
      values: { ':one': 1, ':id': id, ':most': maxTries, ':oldest': nowMs - validMs },
    });
    return true;
  } catch (error) {
    if (error instanceof ConditionFailed) return false;
    throw error;
  }
}

/** It is done with, unless another has taken its place. */
export async function endConfirmation(table: Table, refs: AccountRefs, { id, to }: Confirmation): Promise<void> {
  try {
    await table.delete(keyOf(refs, to), { condition: 'id = :id', values: { ':id': id } });
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
  }
}

/** What an owner left unsaid. */
export async function openConfirmations(table: Table, refs: AccountRefs): Promise<Confirmation[]> {
  const { pk, sk } = keyOf(refs, '');
  return await table.queryAll<Confirmation>({ pk, skPrefix: sk });
}

/** Those that wait to be said to one of these numbers. */
export async function readConfirmations(table: Table, refs: AccountRefs, numbers: string[]): Promise<Confirmation[]> {
  const found = await table.getMany<Confirmation>(numbers.map((to) => keyOf(refs, to)));
  return found.filter((confirmation) => confirmation !== undefined);
}

/** Confirmations go to numbers. */
const isNumber = (address: string): boolean => !lidForm.test(address);

const keyOf = (refs: AccountRefs, to: string) => keys.confirmation(refs.tenantId, refs.accountId, to);

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

/** How long after an opt-out it may be confirmed: later the text would be just another message. */
const validMs = 10 * 60_000;
/** Sendings at most: after a crash between the wire and the table the same id and text go out once more. */
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
      // With account and recipient: only the recipient's devices may ask for it again, and a confirmation has no message item.
      contentWrite(refs.tenantId, id, textContent(text), nowMs, { accountId: refs.accountId, to }),
    ],
  };
}

/** Returns the writes that take back the confirmations not said yet to a person of these addresses. */
export function confirmationsGone(refs: AccountRefs, addresses: string[]): Write[] {
  return addresses.filter(isNumber).map((to) => ({ delete: keyOf(refs, to) }));
}

/**
 * Counts one more sending; the caller sends the confirmation afterwards. Returns false when it must not be sent (any more): taken back, replaced,
 * too old, or sent as often as it may be.
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

/** Removes a confirmation that is done with, unless another one has taken its place. */
export async function endConfirmation(table: Table, refs: AccountRefs, { id, to }: Confirmation): Promise<void> {
  await table.tryDelete(keyOf(refs, to), { condition: { isThisOne: thisOne(id) } });
}

const thisOne = (id: string) => ({ is: 'id = :id', values: { ':id': id } });

/** Returns the confirmations that an owner left unsaid. */
export async function openConfirmations(table: Table, { tenantId, accountId }: AccountRefs): Promise<Confirmation[]> {
  return await table.queryAll<Confirmation>(ranges.confirmations(tenantId, accountId));
}

/** Returns the confirmations that wait to be said to one of these numbers. */
export async function readConfirmations(table: Table, refs: AccountRefs, numbers: string[]): Promise<Confirmation[]> {
  const found = await table.getMany<Confirmation>(numbers.map((to) => keyOf(refs, to)));
  return found.filter((confirmation) => confirmation !== undefined);
}

/** Confirmations go to numbers, not to LIDs. */
const isNumber = (address: string): boolean => !lidForm.test(address);

const keyOf = (refs: AccountRefs, to: string) => keys.confirmation(refs.tenantId, refs.accountId, to);

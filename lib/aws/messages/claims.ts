import type { AccountHot } from '../../domain/accounts/account.ts';
import type { InHand } from '../../domain/accounts/in-hand.ts';
import type { PaceState } from '../../domain/accounts/pacing.ts';
import { type Lane, lanes, type Message, type MessageState } from '../../domain/messages/message.ts';
import { keptAfterMove } from '../../domain/messages/retention.ts';
import { nothingStopped } from '../accounts/stops.ts';
import { added, patch } from '../client/patch.ts';
import type { Clause, Clauses, Item, Table, Write } from '../client/table.ts';
import { type Hold, heldBy, sameInHand } from '../hosts/ownership.ts';
import { keys, queuedAttribute } from '../keys.ts';
import { messageWrite, type Step, stepWrites } from './messages.ts';

/** Writes that one transaction takes. */
const mostWrites = 100;

export type ClaimResult =
  | { kind: 'claimed'; messages: Message[] }
  /**
   * Nothing is claimed. A new claim without the messages named here may succeed. `stale`: the message has changed since it was read; it was sent,
   * canceled or fed again. `suppressed`: its recipient has opted out.
   */
  | { kind: 'refused'; messages: Map<string, 'stale' | 'suppressed'> }
  /** Another host owns the account now. */
  | { kind: 'fenced' }
  /** The account's item names other messages in hand than was thought: an earlier write without an answer stood. Nothing is claimed. */
  | { kind: 'changed'; inHand: InHand | undefined }
  /** A contract of the account was stopped since `stops` was read. Read again which contracts run; `stops` is the new count. */
  | { kind: 'stopped'; stops: number }
  /** The tenant holds all sending of the account. */
  | { kind: 'paused' }
  /** The claim with its steps was refused, and nothing has changed. Write them separately, the claim with the same nonce. */
  | { kind: 'apart' };

/** `crashes`: how many owners have died while this message was in hand, the last one included. Usually 0. */
export interface Claimable {
  message: Message;
  crashes: number;
}

export interface ClaimRequest {
  /** Different messages of one account. */
  messages: readonly Claimable[];
  host: string;
  epoch: number;
  nonce: string;
  pace: PaceState;
  /** The messages in hand by the account's item, as last read or written. The claim is refused when the item names anything else. */
  replaces: InHand | undefined;
  /** The messages in hand after the claim: the claimed ones, and those that stay. */
  inHand: InHand;
  /** Outcomes of the messages that are in hand no more, added to the account's totals for free. */
  totals: { messages: number; errors: number };
  /** The account's number of stops from before the contracts were seen to run (lib/aws/accounts/stops.ts). */
  stops: number;
  /** Noted in the account's item, see AccountHot; it must not be lower than what is there. */
  authHead?: number | undefined;
  nowMs: number;
}

/** Returns how many steps go into the transaction of a claim of `count` messages, each with a counter of its own at worst. */
export const stepsBeside = (count: number): number => Math.floor((mostWrites - 2 * count - 1) / 2);

/**
 * QUEUED (or SENDING under an older claim, when it is to be sent again) -> SENDING, in one transaction:
 *
 *   each message    as it was read (state, feedSeq, old claim's nonce)
 *   account         owner and epoch are ours; not paused; no contract of it stopped since the messages' were read; inHand as last
 *                   heard of, and replaced; pacing advanced
 *   each recipient  has not opted out
 *
 * Pacing advances here, before the send, so that a crash can only slow the account down. `together`: outcomes of messages that were in hand, and
 * receipts of others. They are written in the same transaction, which saves a call a message.
 */
export async function claim(table: Table, request: ClaimRequest, together: Step[] = []): Promise<ClaimResult> {
  const { messages } = request;
  const claimed = messages.map((one) => claimedBy(request, one));
  const writes: Record<string, Write | Write[]> = {};
  for (const [at, { message }] of messages.entries()) {
    const moved = claimed[at];
    if (moved !== undefined) writes[`message ${message.id}`] = messageWrite(message, moved);
  }
  writes.account = accountWrite(request);
  for (const { message } of messages) {
    // The item may not exist.
    const condition = { notOptedOut: 'attribute_not_exists(suppressedAt)' };
    writes[`recipient ${message.to}`] = { check: keys.recipient(message.tenantId, message.to), condition };
  }
  const refused = await table.tryTransact<string>({ ...writes, ...stepWrites(together) });
  if (refused === undefined) return { kind: 'claimed', messages: claimed };
  if (refused.by('account', 'ours')) return { kind: 'fenced' };
  // The answer of the first try was lost, and the second found its result.
  const isHeld = ({ message: { id } }: Claimable) => isHeldBy(refused.old<Message>(`message ${id}`), request.nonce);
  const hot = refused.old<AccountHot>('account');
  if (hot?.inHand?.nonce === request.inHand.nonce || messages.some(isHeld))
    return { kind: 'claimed', messages: claimed };
  if (refused.by('account', 'sameInHand')) return { kind: 'changed', inHand: hot?.inHand };
  if (together.length > 0) return { kind: 'apart' };
  if (refused.by('account', 'isNotPaused')) return { kind: 'paused' };
  const stale = messages.filter(({ message: { id } }) => refused.by(`message ${id}`));
  if (stale.length === 0 && refused.by('account', 'nothingStopped')) {
    return { kind: 'stopped', stops: hot?.stops ?? 0 };
  }
  const suppressed = messages.filter(({ message: { to } }) => refused.by(`recipient ${to}`));
  return {
    kind: 'refused',
    messages: new Map([
      ...suppressed.map(({ message: { id } }) => [id, 'suppressed'] as const),
      ...stale.map(({ message: { id } }) => [id, 'stale'] as const),
    ]),
  };
}

/**
 * Makes void what claims of this owner are still on their way: the number of stops that they name is not the account's any more. Returns the
 * account's item as it stands then, undefined when another host owns the account. Call this after a claim without an answer, to learn whether
 * it stood: what the item does not name has not been claimed, and will not be.
 */
export async function voidClaims(table: Table, hold: Hold): Promise<AccountHot | undefined> {
  const { item } = await table.tryUpdate<AccountHot>(keys.accountHot(hold.tenantId, hold.accountId), {
    ...patch({ stops: added(1) }),
    condition: { isHeld: heldBy(hold) },
  });
  return item;
}

function isHeldBy(message: { state: MessageState; claim?: { nonce: string } } | undefined, nonce: string): boolean {
  return message?.state === 'SENDING' && message.claim?.nonce === nonce;
}

/** Pure: returns the message after the claim. */
function claimedBy({ epoch, nonce, nowMs }: ClaimRequest, { message, crashes }: Claimable): Message {
  const claim = {
    epoch,
    nonce,
    since: message.claim?.since ?? message.openSince ?? nowMs,
    tries: (message.claim?.tries ?? 0) + 1,
    ...(crashes > 0 ? { crashes } : {}),
  };
  return keptAfterMove({ ...message, state: 'SENDING', claim }, nowMs);
}

const isNotPaused = {
  is: 'attribute_not_exists(pausedAt)',
  held: (hot: Item | undefined): boolean => hot?.pausedAt === undefined,
} satisfies Clause;

/** Pure: returns the write of the account's item. */
function accountWrite(request: ClaimRequest): Write {
  const { host, epoch, totals, authHead } = request;
  const [first] = request.messages;
  if (first === undefined) throw new RangeError('a claim needs a message');
  const leaving = (lane: Lane) =>
    request.messages.filter(({ message }) => message.state === 'QUEUED' && message.lane === lane).length;
  const counts = lanes.flatMap((lane) =>
    leaving(lane) === 0 ? [] : [{ lane, value: `:${lane}`, by: -leaving(lane) }],
  );
  const added = [
    'messageCount :m',
    'errorCount :e',
    ...counts.map(({ lane, value }) => `${queuedAttribute[lane]} ${value}`),
  ];
  return {
    update: `SET pace = :pace, inHand = :hand, lastActivity = :now${authHead === undefined ? '' : ', authHead = :head'} ADD ${added.join(', ')}`,
    key: keys.accountHot(first.message.tenantId, first.message.accountId),
    condition: {
      ours: heldBy({ hostId: host, epoch }),
      sameInHand: sameInHand(request.replaces),
      nothingStopped: nothingStopped(request.stops),
      isNotPaused,
    } satisfies Clauses,
    values: {
      ':pace': request.pace,
      ':hand': request.inHand,
      ':now': request.nowMs,
      ':m': totals.messages,
      ':e': totals.errors,
      ...(authHead === undefined ? {} : { ':head': authHead }),
      ...Object.fromEntries(counts.map(({ value, by }) => [value, by])),
    },
  };
}

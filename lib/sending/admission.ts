import { readContract } from '../aws/contracts/contracts.ts';
import { type ClaimResult, isRunning } from '../aws/messages/messages.ts';
import { extendSuppression, listedAmong } from '../aws/people/suppressions.ts';
import type { AccountHot } from '../domain/accounts/account.ts';
import type { PaceState } from '../domain/accounts/pacing.ts';
import type { Contract } from '../domain/contracts/contract.ts';
import type { Message } from '../domain/messages/message.ts';
import { addressesOf, addressOf, type Person } from '../domain/people/person.ts';
import type { SendingDeps } from './deps.ts';
import type { InHand } from './in-hand.ts';

/**
 * For so long "not on the list" counts for an address that the claim does not check. The claim checks the address that the message names. A
 * person may be on the list under another one alone: the LID, after a word to an account that did not know the number; or the other spelling,
 * put there by an earlier version. A message that is claimed within this time may still go out.
 */
const checkedMs = 5_000;

/** Whether a message's contract ran, and the account's number of stops from before that was read. */
export interface Seen {
  running: boolean;
  stops: number;
}

/** A message's recipient as far as the account knows, and those of messages that follow at once, found when they are needed. */
export interface Recipients {
  own: Person;
  next(): Person[];
}

/** A claim's result, or where the message goes instead of being sent. */
export type Admitted =
  | Extract<ClaimResult, { kind: 'claimed' | 'stale' | 'fenced' }>
  | { kind: 'instead'; to: 'PENDING' | 'CANCELED' | 'SUPPRESSED' };

/**
 * Claims queued messages of one account, unless they may not be sent at this moment:
 *
 *   contract seen to run -> not on the list under another address -> claim -> [a contract was stopped since: does it run? claim again]
 */
export class Admission {
  private readonly deps: Pick<SendingDeps, 'table' | 'clock'>;
  private readonly hand: Pick<InHand, 'claim'>;
  /** The account's number of stops as last heard of: what is read from now on is not older. */
  stops: number;
  /** Addresses that were not on the list, and when that was read (monotonic ms): those of the last read, a handful. */
  private checked = new Map<string, number>();

  constructor(deps: Admission['deps'], hand: Admission['hand'], hot: Pick<AccountHot, 'stops'>) {
    this.deps = deps;
    this.hand = hand;
    this.stops = hot.stops ?? 0;
  }

  /** For a message that was not read together with others. */
  async look(message: Message): Promise<Seen> {
    // Known before the contract is read.
    const { stops } = this;
    return { stops, running: await isRunning(this.deps.table, message) };
  }

  async claim(message: Message, pace: PaceState, known: Seen, recipients: Recipients): Promise<Admitted> {
    for (let seen = known; ; seen = await this.look(message)) {
      const to = await this.insteadOf(message, seen.running, recipients);
      if (to !== undefined) return { kind: 'instead', to };
      const claimed = await this.hand.claim(message, pace, seen.stops);
      if (claimed.kind === 'suppressed') return { kind: 'instead', to: 'SUPPRESSED' };
      if (claimed.kind !== 'stopped') return claimed;
      this.stops = claimed.stops;
    }
  }

  private async insteadOf(
    message: Message,
    running: boolean,
    recipients: Recipients,
  ): Promise<'PENDING' | 'CANCELED' | 'SUPPRESSED' | undefined> {
    const { tenantId, contractId } = message;
    if (!running && contractId !== undefined) {
      const instead = whenNotRunning(await readContract(this.deps.table, tenantId, contractId));
      if (instead !== undefined) return instead;
    }
    return (await this.isSuppressed(message, recipients)) ? 'SUPPRESSED' : undefined;
  }

  /** A person on the list under another address is there under the message's own from now on, which claims check. */
  private async isSuppressed({ tenantId }: Message, { own, next }: Recipients): Promise<boolean> {
    const others = othersOf(own);
    const nowMs = this.deps.clock.monotonicMs();
    const isChecked = (address: string) => nowMs - (this.checked.get(address) ?? Number.NEGATIVE_INFINITY) < checkedMs;
    if (others.every(isChecked)) return false;
    const wanted = [...new Set([...others, ...next().flatMap(othersOf)])];
    const listed = await listedAmong(this.deps.table, tenantId, wanted);
    this.checked = new Map(wanted.filter((address) => !listed.has(address)).map((address) => [address, nowMs]));
    if (!others.some((address) => listed.has(address))) return false;
    return await extendSuppression(this.deps.table, tenantId, own);
  }
}

/** Pure: the addresses of a message's recipient that its claim does not check. */
function othersOf(person: Person): string[] {
  return addressesOf(person).filter((address) => address !== addressOf(person));
}

/** Pure: where a queued message goes whose contract does not run; undefined while it runs. */
function whenNotRunning(contract: Contract | undefined): 'PENDING' | 'CANCELED' | undefined {
  if (contract === undefined) return 'CANCELED';
  switch (contract.status) {
    case 'IN_PROGRESS':
      return undefined;
    case 'PAUSED':
    case 'PENDING':
    case 'IMPORTING':
      return 'PENDING';
    case 'CANCELED':
    case 'DELETED':
    case 'FAILED':
    case 'COMPLETED':
      return 'CANCELED';
    default:
      return contract.status satisfies never;
  }
}

import { readContract } from '../aws/contracts/contracts.ts';
import { isRunning } from '../aws/messages/messages.ts';
import { extendSuppression, listedAmong } from '../aws/people/suppressions.ts';
import type { AccountHot } from '../domain/accounts/account.ts';
import type { PaceState } from '../domain/accounts/pacing.ts';
import type { Contract } from '../domain/contracts/contract.ts';
import type { Message } from '../domain/messages/message.ts';
import { addressesOf, addressOf, type Person } from '../domain/people/person.ts';
import type { SendingDeps } from './deps.ts';
import type { InHand } from './in-hand.ts';

/**
 * How long (ms) "not on the suppression list" is trusted for an address that the claim does not check. The claim checks only the address that the
 * message names. A person may be on the list only under another address: under the LID, after an opt-out to an account that did not know the
 * number. An earlier version wrote only one spelling of a number. A message that is claimed within this time may still be sent.
 */
const checkedMs = 5_000;

/** Says whether a message's contract was running when read. `stops`: the account's number of stops, known before that read. */
export interface Seen {
  running: boolean;
  stops: number;
}

/** The recipient of a message, as far as the account knows. `next` returns the recipients of the messages that follow at once. */
export interface Recipients {
  own: Person;
  next(): Person[];
}

/** A message to claim, with its contract's state and its recipient as last read. */
export interface Wanted {
  message: Message;
  seen: Seen;
  recipients: Recipients;
}

/** The state to which a message moves instead of being sent. */
export type Instead = 'PENDING' | 'CANCELED' | 'SUPPRESSED';

/** The result for one message: claimed, no longer as its lane entry says (`stale`), not our account any more, or moved to another state. */
export type Admitted =
  | { kind: 'claimed'; message: Message }
  | { kind: 'stale' }
  | { kind: 'fenced' }
  | { kind: 'instead'; to: Instead };

/**
 * Claims queued messages of one account, unless they may not be sent at this moment:
 *
 *   contract seen to run -> not on the list under another address -> claim -> [a contract was stopped since: does it run? claim again]
 *                                                                         \-> [some are refused: claim the others]
 */
export class Admission {
  private readonly deps: Pick<SendingDeps, 'table' | 'clock'>;
  private readonly hand: Pick<InHand, 'claim'>;
  /** The account's last known number of stops. Every read from now on is at least as new. */
  stops: number;
  /** The few addresses that were not on the list at the last read, with the time of that read (monotonic ms). */
  private checked = new Map<string, number>();

  constructor(deps: Admission['deps'], hand: Admission['hand'], hot: Pick<AccountHot, 'stops'>) {
    this.deps = deps;
    this.hand = hand;
    this.stops = hot.stops ?? 0;
  }

  /** Reads whether the contract of one message runs. */
  async look(message: Message): Promise<Seen> {
    // `stops` must be taken before the contract is read.
    const { stops } = this;
    return { stops, running: await isRunning(this.deps.table, message) };
  }

  async claim(message: Message, pace: PaceState, seen: Seen, recipients: Recipients): Promise<Admitted> {
    const admitted = await this.claimAll([{ message, seen, recipients }], pace);
    return admitted.get(message.id) ?? { kind: 'stale' };
  }

  /** Claims the messages that may be sent, in one transaction. Returns the result of each, by message id. */
  async claimAll(wanted: readonly Wanted[], pace: PaceState): Promise<Map<string, Admitted>> {
    const admitted = new Map<string, Admitted>();
    let left = [...wanted];
    while (left.length > 0) {
      for (const { message, seen, recipients } of left) {
        const to = await this.insteadOf(message, seen.running, recipients);
        if (to !== undefined) admitted.set(message.id, { kind: 'instead', to });
      }
      left = left.filter(({ message }) => !admitted.has(message.id));
      if (left.length === 0) break;
      // The lowest number belongs to the oldest read.
      const stops = Math.min(...left.map(({ seen }) => seen.stops));
      const result = await this.hand.claim(
        left.map(({ message }) => message),
        pace,
        stops,
      );
      switch (result.kind) {
        case 'claimed':
          for (const message of result.messages) admitted.set(message.id, { kind: 'claimed', message });
          return admitted;
        case 'fenced':
          for (const { message } of left) admitted.set(message.id, { kind: 'fenced' });
          return admitted;
        case 'refused':
          for (const [id, why] of result.messages) {
            admitted.set(id, why === 'stale' ? { kind: 'stale' } : { kind: 'instead', to: 'SUPPRESSED' });
          }
          left = left.filter(({ message }) => !admitted.has(message.id));
          break;
        case 'paused':
          for (const { message } of left) admitted.set(message.id, { kind: 'instead', to: 'PENDING' });
          return admitted;
        case 'stopped':
          this.stops = result.stops;
          left = await Promise.all(left.map(async (one) => ({ ...one, seen: await this.look(one.message) })));
          break;
        default:
          return result satisfies never;
      }
    }
    return admitted;
  }

  private async insteadOf(message: Message, running: boolean, recipients: Recipients): Promise<Instead | undefined> {
    const { tenantId, contractId } = message;
    if (!running && contractId !== undefined) {
      const instead = whenNotRunning(await readContract(this.deps.table, tenantId, contractId));
      if (instead !== undefined) return instead;
    }
    return (await this.isSuppressed(message, recipients)) ? 'SUPPRESSED' : undefined;
  }

  /** Returns true if the person is on the list under another address. Then adds all addresses of the person to the list. */
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

/** Returns the addresses of a message's recipient that its claim does not check. */
function othersOf(person: Person): string[] {
  return addressesOf(person).filter((address) => address !== addressOf(person));
}

/** Returns the state to which a queued message of this contract moves; undefined while the contract runs. */
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

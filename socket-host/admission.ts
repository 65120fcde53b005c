import { readContract } from '../lib/aws/contracts.ts';
import { type ClaimResult, isRunning } from '../lib/aws/messages.ts';
import { suppressedAmong, suppressNumberOf } from '../lib/aws/suppressions.ts';
import type { AccountHot } from '../lib/domain/account.ts';
import type { Contract } from '../lib/domain/contract.ts';
import type { Message } from '../lib/domain/message.ts';
import type { PaceState } from '../lib/domain/pacing.ts';
import type { HostDeps } from './deps.ts';
import type { Sender } from './sender.ts';

/**
 * How long "nobody has opted out by this LID" counts. The claim goes by the number; by LID alone somebody is on the list who wrote to an account
 * that did not know the number, while this one knows both. What is on its way for so long may then still go out.
 */
const lidCheckedMs = 5_000;

/** Whether a message's contract ran, and the account's number of stops from before that was read. */
export interface Seen {
  running: boolean;
  stops: number;
}

/** The LID of a message's recipient, where the account knows it, and those of messages that follow at once, found when they are needed. */
export interface Lids {
  own: string | undefined;
  next(): string[];
}

/** A claim's result, or where the message goes instead of being sent. */
export type Admitted =
  | Extract<ClaimResult, { kind: 'claimed' | 'stale' | 'fenced' }>
  | { kind: 'instead'; to: 'PENDING' | 'CANCELED' | 'SUPPRESSED' };

/**
 * Claims queued messages of one account, unless they may not be sent at this moment:
 *
 *   contract seen to run -> nobody has opted out by LID -> claim -> [a contract was stopped since: does it run? claim again]
 */
export class Admission {
  private readonly deps: Pick<HostDeps, 'table' | 'clock'>;
  private readonly sender: Pick<Sender, 'claim'>;
  /** The account's number of stops as last heard of: what is read from now on is not older. */
  stops: number;
  /** LIDs that were not on the list, and when (monotonic ms): those of the last read, a handful. */
  private lidsChecked = new Map<string, number>();

  constructor(deps: Admission['deps'], sender: Admission['sender'], hot: Pick<AccountHot, 'stops'>) {
    this.deps = deps;
    this.sender = sender;
    this.stops = hot.stops ?? 0;
  }

  /** For a message that was not read together with others. */
  async look(message: Message): Promise<Seen> {
    // Known before the contract is read.
    const { stops } = this;
    return { stops, running: await isRunning(this.deps.table, message) };
  }

  async claim(message: Message, pace: PaceState, known: Seen, lids: Lids): Promise<Admitted> {
    for (let seen = known; ; seen = await this.look(message)) {
      const to = await this.insteadOf(message, seen.running, lids);
      if (to !== undefined) return { kind: 'instead', to };
      const claimed = await this.sender.claim(message, pace, seen.stops);
      if (claimed.kind === 'suppressed') return { kind: 'instead', to: 'SUPPRESSED' };
      if (claimed.kind !== 'stopped') return claimed;
      this.stops = claimed.stops;
    }
  }

  private async insteadOf(
    message: Message,
    running: boolean,
    lids: Lids,
  ): Promise<'PENDING' | 'CANCELED' | 'SUPPRESSED' | undefined> {
    if (!running) {
      const instead = whenNotRunning(await readContract(this.deps.table, message.tenantId, message.contractId));
      if (instead !== undefined) return instead;
    }
    return (await this.suppressIfOptedOut(message, lids)) ? 'SUPPRESSED' : undefined;
  }

  /** Somebody on the list by LID is there by number too from now on, which claims go by. Answers whether it is so. */
  private async suppressIfOptedOut({ tenantId, to: phoneNumber }: Message, { own, next }: Lids): Promise<boolean> {
    if (own === undefined || !(await this.suppressedByLid(tenantId, own, next))) return false;
    return await suppressNumberOf(this.deps.table, tenantId, { phoneNumber, lid: own });
  }

  /** `next` are asked in the same read. */
  private async suppressedByLid(tenantId: string, lid: string, next: () => string[]): Promise<boolean> {
    const nowMs = this.deps.clock.monotonicMs();
    const checkedAt = this.lidsChecked.get(lid);
    if (checkedAt !== undefined && nowMs - checkedAt < lidCheckedMs) return false;
    const wanted = [...new Set([lid, ...next()])];
    const suppressed = await suppressedAmong(
      this.deps.table,
      tenantId,
      wanted.map((one) => `lid:${one}`),
      { eventually: false },
    );
    this.lidsChecked = new Map(wanted.filter((one) => !suppressed.has(`lid:${one}`)).map((one) => [one, nowMs]));
    return suppressed.has(`lid:${lid}`);
  }
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

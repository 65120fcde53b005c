import type { Hold } from '../../lib/aws/hosts/ownership.ts';
import { confirmationsGone, planConfirmation, readConfirmations } from '../../lib/aws/inbound/confirmations.ts';
import { extendSuppression, listedAmong, planRelease, planSuppression } from '../../lib/aws/people/suppressions.ts';
import { derivedMessageId } from '../../lib/domain/ids.ts';
import { type InboundMessage, personOf } from '../../lib/domain/inbound/inbound.ts';
import { confirmationIn, type OptWord, optWordOf } from '../../lib/domain/people/opt-out.ts';
import { addressesOf, isSameNumber, type Person, spellingsOf } from '../../lib/domain/people/person.ts';
import { ownWord, type Suppression } from '../../lib/domain/people/suppression.ts';
import type { HostDeps } from '../deps.ts';
import type { Consequence } from './batches.ts';
import type { Confirmations } from './confirmations.ts';

/**
 * What words like STOP and START do, in the transaction that stores the message they came in:
 *
 *   STOP   the person is suppressed for the whole tenant, under every address, and told so once
 *   START  what a word had done is undone; what the tenant has put on the list stays
 */
export class OptOuts {
  private readonly deps: HostDeps;
  private readonly hold: Hold;
  private readonly confirmations: Confirmations;
  private readonly confirms: () => boolean;

  /** `confirms`: whether this account tells people. */
  constructor(deps: HostDeps, hold: Hold, confirmations: Confirmations, confirms: () => boolean) {
    this.deps = deps;
    this.hold = hold;
    this.confirmations = confirmations;
    this.confirms = confirms;
  }

  /** What a message asks for with one word, if anything; an edit that says so counts. */
  wordIn({ type, text }: InboundMessage): OptWord | undefined {
    return text !== undefined && (type === 'text' || type === 'edit') ? optWordOf(text) : undefined;
  }

  async plan(word: OptWord, message: InboundMessage): Promise<Consequence> {
    switch (word.kind) {
      case 'stop':
        return await this.planStop(word, message);
      case 'start':
        return await this.planStart(message);
      default:
        return word satisfies never;
    }
  }

  /** The message had been stored before: what followed from it may not have been said yet. */
  async repeated(word: OptWord, message: InboundMessage): Promise<void> {
    const { phoneNumber } = personOf(message);
    if (word.kind !== 'stop' || phoneNumber === undefined) return;
    for (const waiting of await readConfirmations(this.deps.table, this.hold, spellingsOf(phoneNumber)))
      this.confirmations.add(waiting);
  }

  /**
   * A number is found to belong to further addresses: a LID, or another number that WhatsApp answers with. False: the person opted out under
   * one of them, and the number is not written to either.
   */
  async mayWriteTo(person: Person & { phoneNumber: string }): Promise<boolean> {
    const { table } = this.deps;
    const { tenantId } = this.hold;
    const others = addressesOf(person).filter((address) => !isSameNumber(address, person.phoneNumber));
    // Almost no person is on the list under these alone, and this is asked of each who is written to for the first time: one read.
    if ((await listedAmong(table, tenantId, others)).size === 0) return true;
    return !(await extendSuppression(table, tenantId, person));
  }

  private async planStop(word: OptWord & { kind: 'stop' }, message: InboundMessage): Promise<Consequence> {
    const { deps, hold } = this;
    const { tenantId, accountId } = hold;
    const person = personOf(message);
    const nowMs = deps.clock.nowMs();
    const suppression: Suppression = {
      tenantId,
      ...person,
      reason: ownWord,
      source: 'inbound',
      accountId,
      inboundId: message.id,
      at: nowMs,
    };
    const { isNew, writes } = await planSuppression(deps.table, suppression);
    const { phoneNumber } = person;
    const said =
      isNew && phoneNumber !== undefined && this.confirms()
        ? planConfirmation(
            hold,
            { id: derivedMessageId(deps.nonce()), to: phoneNumber, text: confirmationIn(word.language) },
            nowMs,
          )
        : undefined;
    return {
      writes: [...writes, ...(said?.writes ?? [])],
      done: () => {
        if (isNew) deps.metrics.optOuts.inc({ kind: 'stop' });
        if (said !== undefined) this.confirmations.add(said.confirmation);
      },
    };
  }

  private async planStart(message: InboundMessage): Promise<Consequence> {
    const { deps, hold } = this;
    const person = personOf(message);
    const { writes, addresses } = await planRelease(deps.table, hold.tenantId, person, 'inbound');
    return {
      writes: writes.length === 0 ? [] : [...writes, ...confirmationsGone(hold, addresses)],
      done: () => {
        if (writes.length > 0) deps.metrics.optOuts.inc({ kind: 'start' });
        this.confirmations.takeBack(addresses);
      },
    };
  }
}

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
 * Acts on words like STOP and START, in the transaction that stores their message:
 *
 *   STOP   the person is suppressed for the whole tenant, under every address, and gets one confirmation
 *   START  a suppression by a word is undone; one that the tenant has set stays
 */
export class OptOuts {
  private readonly deps: HostDeps;
  private readonly hold: Hold;
  private readonly confirmations: Confirmations;
  private readonly confirms: () => boolean;

  /** `confirms` returns whether this account sends confirmations. */
  constructor(deps: HostDeps, hold: Hold, confirmations: Confirmations, confirms: () => boolean) {
    this.deps = deps;
    this.hold = hold;
    this.confirmations = confirmations;
    this.confirms = confirms;
  }

  /** Returns the word, if the message is one. An edit counts too. */
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

  /** Call this for a message that had been stored before: its confirmation may not have been sent yet. */
  async repeated(word: OptWord, message: InboundMessage): Promise<void> {
    const { phoneNumber } = personOf(message);
    if (word.kind !== 'stop' || phoneNumber === undefined) return;
    for (const waiting of await readConfirmations(this.deps.table, this.hold, spellingsOf(phoneNumber)))
      this.confirmations.add(waiting);
  }

  /**
   * Call this when a number is found to belong to further addresses: a LID, or another number that WhatsApp answers with. Returns false when the
   * person opted out under one of them. The number must not be written to either then.
   */
  async mayWriteTo(person: Person & { phoneNumber: string }): Promise<boolean> {
    const { table } = this.deps;
    const { tenantId } = this.hold;
    const others = addressesOf(person).filter((address) => !isSameNumber(address, person.phoneNumber));
    // This runs for each first message to a person, and almost none is on the list under these addresses alone. So it costs one read.
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

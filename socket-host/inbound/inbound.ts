import type { Hold } from '../../lib/aws/hosts/ownership.ts';
import { isStored } from '../../lib/aws/inbound/inbound.ts';
import type { Account } from '../../lib/domain/accounts/account.ts';
import type { InboundMessage } from '../../lib/domain/inbound/inbound.ts';
import type { Person } from '../../lib/domain/people/person.ts';
import type { HostDeps } from '../deps.ts';
import type { TransportSession } from '../transport.ts';
import { InboundBatches } from './batches.ts';
import { Confirmations } from './confirmations.ts';
import { OptOuts } from './opt-outs.ts';

/** The inbound side of one account. It stores messages of people in batches, and acts on STOP and START. */
export class Inbound {
  private readonly deps: HostDeps;
  private readonly hold: Hold;
  private readonly batches: InboundBatches;
  private readonly confirmations: Confirmations;
  private readonly optOuts: OptOuts;
  /** True when nothing is left to take over: it was taken over, or the account had no owner before. */
  private adopted: boolean;

  constructor(deps: HostDeps, hold: Hold, account: () => Account, mayAct: () => boolean) {
    this.deps = deps;
    this.hold = hold;
    this.batches = new InboundBatches(deps, hold);
    this.confirmations = new Confirmations(deps, hold, mayAct);
    this.optOuts = new OptOuts(deps, hold, this.confirmations, () => account().optOutReply !== false);
    this.adopted = hold.epoch === 1;
  }

  /** Ends the work that the last owner had begun, once. Call this before the first connection. The sweep and the next owner repair a failure. */
  async adopt(): Promise<void> {
    if (this.adopted) return;
    this.adopted = true;
    await Promise.all([this.batches.adopt(), this.confirmations.adopt()]).catch((error: unknown) =>
      this.deps.failed('inbound', error),
    );
  }

  /** Stores a message. Resolves when the message, its secret and its consequences are in the table. */
  async keep(message: InboundMessage, secret?: Uint8Array): Promise<void> {
    const { metrics } = this.deps;
    metrics.inbound.inc({ result: 'received' });
    const word = this.optOuts.wordIn(message);
    const plan = async () => (word === undefined ? undefined : await this.optOuts.plan(word, message));
    const stored = await this.batches.keep(message, plan, secret);
    metrics.inbound.inc({ result: stored });
    if (word !== undefined && stored === 'repeated') await this.optOuts.repeated(word, message);
  }

  /** Counts a message that could not be read, unless it has been stored before. The table is read only for a message that comes again. */
  undecryptable(id: string, askedAgain: boolean): void {
    if (!askedAgain) {
      this.deps.metrics.inbound.inc({ result: 'undecryptable' });
      return;
    }
    isStored(this.deps.table, this.hold, id)
      .then((stored) => this.deps.metrics.inbound.inc({ result: stored ? 'repeated' : 'undecryptable' }))
      .catch((error: unknown) => this.deps.failed('inbound', error));
  }

  async mayWriteTo(person: Person & { phoneNumber: string }): Promise<boolean> {
    return await this.optOuts.mayWriteTo(person);
  }

  opened(session: TransportSession): void {
    this.confirmations.opened(session);
  }

  closed(): void {
    this.confirmations.closed();
  }

  /** Ends work under way and closes open batches. Call this before the account is given up. */
  async stop(): Promise<void> {
    await Promise.all([this.batches.close(), this.confirmations.stop()]);
  }

  /** Call this when the account belongs to another host. Nothing is done for it any more. */
  abandon(): void {
    this.batches.abandon();
    this.confirmations.closed();
  }
}

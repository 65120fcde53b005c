import type { Hold } from '../../lib/aws/hosts/ownership.ts';
import {
  beginConfirmation,
  type Confirmation,
  endConfirmation,
  openConfirmations,
} from '../../lib/aws/inbound/confirmations.ts';
import { textContent } from '../../lib/domain/content.ts';
import type { HostDeps } from '../deps.ts';
import type { TransportSession } from '../transport.ts';

const ackTimeoutMs = 20_000;
/** The wait before a confirmation, as long as a person needs to answer. */
const delayMs = { least: 500, most: 2000 };
/** The most confirmations that wait in memory. The others expire in the table. */
const mostWaiting = 1000;

/**
 * Confirms an opt-out to its person, once, by the account that the person wrote to. It is an answer, so it does not wait for lanes and pace.
 *
 *   durable with the opt-out -> counted in the table -> wire -> ack -> item removed
 *
 * A confirmation that gets no ack goes out once more on a later connection, with the same id and text, and then never again.
 */
export class Confirmations {
  private readonly deps: HostDeps;
  private readonly hold: Hold;
  private readonly mayAct: () => boolean;
  private readonly waiting = new Map<string, Confirmation>();
  private session: TransportSession | undefined;
  private working: Promise<void> = Promise.resolve();
  private readonly ended = new AbortController();

  constructor(deps: HostDeps, hold: Hold, mayAct: () => boolean) {
    this.deps = deps;
    this.hold = hold;
    this.mayAct = mayAct;
  }

  /** Takes over the confirmations that the last owner has not sent. */
  async adopt(): Promise<void> {
    for (const confirmation of await openConfirmations(this.deps.table, this.hold)) this.add(confirmation);
  }

  add(confirmation: Confirmation): void {
    if (this.waiting.size >= mostWaiting) return;
    this.waiting.set(confirmation.to, confirmation);
    this.work();
  }

  /** Drops the confirmation of a person with these addresses, who wants messages again. */
  takeBack(addresses: string[]): void {
    for (const address of addresses) this.waiting.delete(address);
  }

  /** Call this when a connection is open. Confirmations that wait are sent on it. */
  opened(session: TransportSession): void {
    this.session = session;
    this.work();
  }

  closed(): void {
    this.session = undefined;
  }

  /** Ends the waits. Resolves when nothing is being sent. */
  async stop(): Promise<void> {
    this.ended.abort();
    this.session = undefined;
    await this.working;
  }

  private work(): void {
    const { session } = this;
    if (session === undefined || this.waiting.size === 0) return;
    this.working = this.working.then(() => this.sayAll(session)).catch((e: unknown) => this.deps.failed('opt-out', e));
  }

  private async sayAll(session: TransportSession): Promise<void> {
    const { clock, random } = this.deps;
    for (const confirmation of [...this.waiting.values()]) {
      await clock.sleep(delayMs.least + random() * (delayMs.most - delayMs.least), this.ended.signal);
      if (this.session !== session || !this.mayAct()) return;
      if (this.waiting.get(confirmation.to)?.id === confirmation.id) await this.say(session, confirmation);
    }
  }

  private async say(session: TransportSession, confirmation: Confirmation): Promise<void> {
    const { table, clock, metrics } = this.deps;
    const { id, to, text } = confirmation;
    if (!(await beginConfirmation(table, this.hold, confirmation, clock.nowMs()))) {
      this.forget(confirmation);
      return;
    }
    let result: 'sent' | 'refused' | 'unanswered';
    try {
      const ack = await session.send({ id, to, content: textContent(text) }, ackTimeoutMs);
      result = ack.code === undefined && ack.withheld !== true ? 'sent' : 'refused';
    } catch {
      // The confirmation stays for the next connection.
      result = 'unanswered';
    }
    metrics.confirmations.inc({ result });
    if (result === 'unanswered') return;
    this.forget(confirmation);
    if (this.mayAct()) await endConfirmation(table, this.hold, confirmation);
  }

  private forget({ id, to }: Confirmation): void {
    if (this.waiting.get(to)?.id === id) this.waiting.delete(to);
  }
}

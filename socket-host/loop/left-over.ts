import type { PacePlan } from '../../lib/domain/accounts/pacing.ts';
import type { Content } from '../../lib/domain/content.ts';
import type { Message } from '../../lib/domain/messages/message.ts';
import type { Bell } from '../../lib/runtime/clock.ts';
import { exclusiveUnless } from '../../lib/runtime/mutex.ts';
import type { Admission, Instead, Recipients } from '../../lib/sending/admission.ts';
import type { Pacer } from '../../lib/sending/pacer.ts';
import type { Again, Sender } from '../../lib/sending/sender.ts';
import type { HostDeps } from '../deps.ts';
import type { TransportSession } from '../transport.ts';
import type { FeedTimes } from './feed-times.ts';
import type { FirstContacts } from './first-contacts.ts';
import type { SendEnd } from './send-end.ts';

interface Needs {
  deps: Pick<HostDeps, 'clock' | 'suspects'>;
  sender: Pick<Sender, 'hand' | 'leftOver' | 'abandon'>;
  admission: Pick<Admission, 'look' | 'claim'>;
  pacer: Pick<Pacer, 'plan' | 'claimed' | 'nextWireAt' | 'waitMs'>;
  firstContacts: Pick<FirstContacts, 'heldFor'>;
  feed: FeedTimes;
  /** Rings when the loop must look again, for example at a receipt. */
  bell: Bell;
  recipients(message: Message, session: TransportSession): Recipients;
  /** Tries once to send a claimed message. */
  sendOne(
    session: TransportSession,
    message: Message,
    content: Content,
    planned: PacePlan,
  ): Promise<SendEnd | undefined>;
}

/** Handles messages in hand without an outcome, one after the other. Each is resolved, or sent again under pacing with the same id and content. */
export class LeftOvers {
  private readonly needs: Needs;

  constructor(needs: Needs) {
    this.needs = needs;
  }

  /** Returns why the loop must end; undefined once nothing is left over. Call this first on a connection, and after a claim without an answer. */
  async resolve(session: TransportSession, signal: AbortSignal): Promise<SendEnd | undefined> {
    const { sender, feed } = this.needs;
    do {
      const wasOpen = sender.hand.hasOpen;
      const left = await sender.leftOver();
      if (left === undefined) return 'fenced';
      const [again] = left.again;
      if (left.retryAtMs !== undefined) feed.at(left.retryAtMs);
      // A message was resolved without a send, so its contract may be complete now.
      else if (again === undefined) feed.worked ||= wasOpen;
      const end = again === undefined ? undefined : await this.next(again, session, signal);
      if (end !== undefined) return end;
    } while (sender.hand.hasOpen);
    return undefined;
  }

  /** Sends this message again, lays it aside, or waits a while. Call `leftOver` again after this. */
  private async next(again: Again, session: TransportSession, signal: AbortSignal): Promise<SendEnd | undefined> {
    const { deps, sender, pacer, firstContacts, feed, bell } = this.needs;
    const heldUntil = firstContacts.heldFor(again.message.to, session);
    if (heldUntil !== undefined) {
      feed.at(heldUntil);
      return (await sender.hand.layAside(again.message, heldUntil)).kind === 'fenced' ? 'fenced' : undefined;
    }
    // The wait for pacing comes before the mutex of suspects, for which other accounts wait. For the same reason a suspect is sent without typing.
    const waitMs = again.suspect ? pacer.nextWireAt() - deps.clock.nowMs() : pacer.waitMs;
    if (waitMs > 0) {
      // The wait may take a day. The pace may change meanwhile, a receipt may resolve the message, or its 24 hours may end.
      await bell.wait(deps.clock, waitMs, signal);
      return signal.aborted ? 'stopped' : undefined;
    }
    const send = () => this.sendAgain(again, session, signal);
    if (!again.suspect) return await send();
    const end = await exclusiveUnless(deps.suspects, signal, send);
    return end ?? (signal.aborted ? 'stopped' : undefined);
  }

  private async sendAgain(
    { message, content, suspect }: Again,
    session: TransportSession,
    signal: AbortSignal,
  ): Promise<SendEnd | undefined> {
    const { deps, admission, pacer, recipients, sendOne } = this.needs;
    const planned = pacer.plan(content);
    await deps.clock.sleep(planned.startAt - deps.clock.nowMs(), signal);
    if (signal.aborted) return 'stopped';
    const seen = await admission.look(message);
    const claimed = await admission.claim(message, planned.next, seen, recipients(message, session));
    switch (claimed.kind) {
      case 'claimed':
        pacer.claimed(planned);
        return await sendOne(session, claimed.message, content, suspect ? { ...planned, wireAt: 0 } : planned);
      case 'fenced':
        return 'fenced';
      // A receipt has resolved the message meanwhile. The next call of `leftOver` sees this.
      case 'stale':
        return undefined;
      case 'instead':
        return await this.notAgain(message, claimed.to);
      default:
        return claimed satisfies never;
    }
  }

  /** Ends or lays aside a message whose contract was stopped, or whose recipient has opted out. An earlier try may have arrived. */
  private async notAgain(message: Message, to: Instead): Promise<SendEnd | undefined> {
    const { deps, sender, feed } = this.needs;
    feed.worked = true;
    const resolved =
      to === 'SUPPRESSED' ? await sender.abandon(message) : await sender.hand.layAside(message, deps.clock.nowMs());
    return resolved.kind === 'fenced' ? 'fenced' : undefined;
  }
}

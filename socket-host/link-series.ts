import type { Account, AccountLink } from '../lib/domain/account.ts';
import type { Clock } from '../lib/runtime/clock.ts';
import type { TransportSession } from './transport.ts';

/** QR codes shown before a pairing code is tried or the account waits for its user (requirements B2). */
const qrCodes = 3;
/** WhatsApp takes a pairing code for about so long. */
const pairingCodeMs = 160_000;

interface Needs {
  clock: Clock;
  account(): Account;
  publish(link: AccountLink): Promise<void>;
  /** Nobody used the codes. */
  timedOut(): void;
  failed(error: unknown): void;
}

/**
 * The codes one attempt at linking shows: three QR codes, then a pairing code if the number is known; or a pairing code at once, where the
 * tenant asked for it. After the last one unused it says so, once.
 */
export class LinkSeries {
  private readonly needs: Needs;
  private session: TransportSession | undefined;
  private ready = false;
  private attempt = 0;
  private paired = false;
  private timer = new AbortController();

  constructor(needs: Needs) {
    this.needs = needs;
  }

  begin(session: TransportSession): void {
    this.end();
    this.session = session;
  }

  /** The server offers a QR code: from now on pairing codes can be asked for as well. */
  async offered(session: TransportSession, link: AccountLink): Promise<void> {
    if (this.session !== session) return;
    this.ready = true;
    // A pairing code that was shown stays good while QR codes go by unseen.
    if (this.paired) return;
    this.attempt += 1;
    const { linkMethod, phoneNumber, pairingFor } = this.needs.account();
    const number = pairingFor ?? (linkMethod === 'pairing_code' || this.attempt > qrCodes ? phoneNumber : undefined);
    if (number !== undefined) return await this.pair(session, number);
    if (this.attempt > qrCodes) return this.needs.timedOut();
    await this.needs.publish({ ...link, attempt: this.attempt });
    this.expire(link.expiresAt - this.needs.clock.nowMs() + 5_000);
  }

  /** The tenant asked for a pairing code meanwhile. */
  async asked(phoneNumber: string | undefined): Promise<void> {
    if (phoneNumber !== undefined && this.ready && this.session !== undefined) {
      await this.pair(this.session, phoneNumber);
    }
  }

  end(): void {
    this.timer.abort();
    this.session = undefined;
    this.ready = false;
    this.paired = false;
    this.attempt = 0;
  }

  private async pair(session: TransportSession, phoneNumber: string): Promise<void> {
    this.paired = true;
    const code = await session.requestPairingCode(phoneNumber);
    if (this.session !== session) return;
    const expiresAt = this.needs.clock.nowMs() + pairingCodeMs;
    await this.needs.publish({ method: 'pairing_code', code, attempt: Math.max(1, this.attempt), expiresAt });
    this.expire(pairingCodeMs);
  }

  /** Ends the series when nothing follows: the server may have no further QR code to offer. */
  private expire(afterMs: number): void {
    this.timer.abort();
    this.timer = new AbortController();
    const { signal } = this.timer;
    void this.needs.clock.sleep(afterMs, signal).then(() => {
      if (!signal.aborted) this.needs.timedOut();
    });
  }
}

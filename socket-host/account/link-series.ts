import type { AccountLink } from '../../lib/domain/accounts/account.ts';
import type { Clock } from '../../lib/runtime/clock.ts';
import { PairingRefused, type TransportSession } from '../transport.ts';
import type { AccountRecord } from './record.ts';

/** QR codes shown before a pairing code is tried or the account waits for its user. */
const qrCodes = 3;
/** WhatsApp accepts a pairing code for about this time. */
const pairingCodeMs = 160_000;

interface Needs {
  clock: Clock;
  record: Pick<AccountRecord, 'account' | 'showLink' | 'refusePairing'>;
  /** Called when no code was used. */
  timedOut(): void;
}

/**
 * Shows the codes of one attempt to link: three QR codes, then a pairing code if the number is known. If the tenant asked for a pairing code,
 * it comes first. A pairing code is shown once WhatsApp has accepted it. If WhatsApp refuses, QR codes continue, and no other pairing code is
 * requested until the tenant asks. `timedOut` is called after the last unused code.
 */
export class LinkSeries {
  private readonly needs: Needs;
  private session: TransportSession | undefined;
  private ready = false;
  private attempt = 0;
  /** The transport's number of the last QR code. A code with the same number replaces that code. */
  private offer = 0;
  private paired = false;
  private refused = false;
  private timer = new AbortController();

  constructor(needs: Needs) {
    this.needs = needs;
  }

  begin(session: TransportSession): void {
    this.end();
    this.session = session;
  }

  /** Call this when the server offers a QR code. From then on pairing codes can be requested. */
  async offered(session: TransportSession, link: AccountLink): Promise<void> {
    if (this.session !== session) return;
    this.ready = true;
    // A pairing code that is shown stays valid; new QR codes are not shown.
    if (this.paired) return;
    if (link.attempt !== this.offer) this.attempt += 1;
    this.offer = link.attempt;
    const { linkMethod, phoneNumber, pairingFor } = this.needs.record.account;
    const own = this.refused || (linkMethod !== 'pairing_code' && this.attempt <= qrCodes) ? undefined : phoneNumber;
    const number = pairingFor ?? own;
    if (number !== undefined && (await this.pair(session, number))) return;
    if (this.session !== session) return;
    if (this.attempt > qrCodes) return this.needs.timedOut();
    await this.needs.record.showLink({ ...link, attempt: this.attempt });
    this.expire(link.expiresAt - this.needs.clock.nowMs() + 5_000);
  }

  /** Requests a pairing code for this number, if the tenant has asked for one meanwhile. */
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
    this.refused = false;
    this.attempt = 0;
    this.offer = 0;
  }

  /** Shows a pairing code. Returns false when WhatsApp gives none. */
  private async pair(session: TransportSession, phoneNumber: string): Promise<boolean> {
    const { clock, record } = this.needs;
    let code: string;
    try {
      code = await session.requestPairingCode(phoneNumber);
    } catch (error) {
      if (!(error instanceof PairingRefused)) throw error;
      this.refused = true;
      if (this.session === session) await record.refusePairing(error.code);
      return false;
    }
    if (this.session !== session) return true;
    this.paired = true;
    const expiresAt = clock.nowMs() + pairingCodeMs;
    await record.showLink({ method: 'pairing_code', code, attempt: Math.max(1, this.attempt), expiresAt });
    this.expire(pairingCodeMs);
    return true;
  }

  /** Ends the series if no further code comes in this time. The server may have no further QR code. */
  private expire(afterMs: number): void {
    this.timer.abort();
    this.timer = new AbortController();
    const { signal } = this.timer;
    void this.needs.clock.sleep(afterMs, signal).then(() => {
      if (!signal.aborted) this.needs.timedOut();
    });
  }
}

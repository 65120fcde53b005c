import {
  type AuthenticationCreds,
  aesEncryptCTR,
  type BinaryNode,
  Browsers,
  bytesToCrockford,
  derivePairingCodeKey,
  getCompanionPlatformId,
  jidEncode,
  S_WHATSAPP_NET,
  type WASocket,
} from '@whiskeysockets/baileys';
import type { AccountLink } from '../../lib/domain/accounts/account.ts';
import { systemRandom } from '../../lib/runtime/random.ts';
import { PairingRefused } from '../transport.ts';

/** The time that WhatsApp has to answer the request for a pairing code. */
const answerMs = 10_000;
const defaultQrTimeoutMs = 60_000;
const requestTimeout = 408;
/** The client that every host claims to be. WhatsApp takes pairing codes only for names that it knows. */
export const browser = Browsers.macOS('Chrome');

interface Needs {
  creds: AuthenticationCreds;
  /** The life of each QR code; default 60 s. */
  qrTimeoutMs: number | undefined;
  nowMs(): number;
  /** Called with each QR code that must be shown. */
  shown(link: AccountLink): void;
}

/** The codes of one connection that waits to be linked. */
export class LinkCodes {
  private readonly needs: Needs;
  private readonly offered = Promise.withResolvers<void>();
  private current: { code: string; expiresAt: number } | undefined;
  private count = 0;

  constructor(needs: Needs) {
    this.needs = needs;
    this.offered.promise.catch(() => {});
  }

  get qrTimeoutMs(): number {
    return this.needs.qrTimeoutMs ?? defaultQrTimeoutMs;
  }

  /** Resolves with the first QR code. A pairing code can be asked for from then on. Rejects when the session ends before. */
  get ready(): Promise<void> {
    return this.offered.promise;
  }

  /** Call this when the session has ended. */
  end(): void {
    this.offered.reject(new Error('the session has ended'));
  }

  /** Call this with each QR code that Baileys made of WhatsApp's next reference. */
  show(code: string): void {
    this.offered.resolve();
    this.count += 1;
    this.current = { code, expiresAt: this.needs.nowMs() + this.qrTimeoutMs };
    this.announce();
  }

  /**
   * Call this for `companion_reg_refresh`: the secret in the QR code is out of date. WhatsApp's own client makes a new secret and shows it with
   * the same reference (Baileys #2737, #2765). A pairing code does not hold the secret. Once a phone has used one, both sides have another.
   */
  renew(): void {
    const { creds } = this.needs;
    if (creds.registered) return;
    creds.advSecretKey = systemRandom.bytes(32).toString('base64');
    if (this.current !== undefined) this.announce();
  }

  /**
   * Asks WhatsApp for a pairing code for this number (digits) and returns it. Baileys would not wait for the answer, but WhatsApp refuses some
   * numbers. Throws PairingRefused. A code that was returned before stays good then.
   */
  async pair(sock: WASocket, phoneNumber: string): Promise<string> {
    const { creds } = this.needs;
    const { me, pairingCode } = creds;
    const code = bytesToCrockford(systemRandom.bytes(5));
    const asked = { id: jidEncode(phoneNumber, 's.whatsapp.net'), name: '~' };
    // The phone's half may come directly after the answer.
    Object.assign(creds, { me: asked, pairingCode: code });
    try {
      const answer: unknown = await sock.query(await hello(sock, creds, asked.id, code), answerMs);
      if (answer === undefined) throw new PairingRefused(undefined);
      return code;
    } catch (error) {
      // A QR code may have linked the device meanwhile.
      if (creds.me === asked) Object.assign(creds, { me, pairingCode });
      throw refusalIn(error) ?? error;
    }
  }

  private announce(): void {
    if (this.current === undefined) return;
    const { code, expiresAt } = this.current;
    const link = { method: 'qr' as const, code: withSecret(code, this.needs.creds.advSecretKey), attempt: this.count };
    this.needs.shown({ ...link, expiresAt });
  }
}

/** Returns the code with this secret. Its text ends with reference, noise key, identity key, secret and platform. Baileys keeps its first secret. */
function withSecret(code: string, secret: string): string {
  const parts = code.split(',');
  parts.splice(-2, 1, secret);
  return parts.join(',');
}

/** Sends the stanza of Baileys' requestPairingCode, and resolves with the answer. */
async function hello(
  sock: WASocket,
  { noiseKey, pairingEphemeralKeyPair }: AuthenticationCreds,
  jid: string,
  code: string,
): Promise<BinaryNode> {
  const salt = systemRandom.bytes(32);
  const iv = systemRandom.bytes(16);
  const key = await derivePairingCodeKey(code, salt);
  const wrapped = Buffer.concat([salt, iv, aesEncryptCTR(pairingEphemeralKeyPair.public, key, iv)]);
  const part = (tag: string, content: string | Uint8Array): BinaryNode => ({ tag, attrs: {}, content });
  return {
    tag: 'iq',
    attrs: { to: S_WHATSAPP_NET, type: 'set', id: sock.generateMessageTag(), xmlns: 'md' },
    content: [
      {
        tag: 'link_code_companion_reg',
        attrs: { jid, stage: 'companion_hello', should_show_push_notification: 'true' },
        content: [
          part('link_code_pairing_wrapped_companion_ephemeral_pub', wrapped),
          part('companion_server_auth_key_pub', noiseKey.public),
          part('companion_platform_id', getCompanionPlatformId(browser)),
          part('companion_platform_display', `${browser[1]} (${browser[0]})`),
          part('link_code_pairing_nonce', '0'),
        ],
      },
    ],
  };
}

/** Returns the refusal for an error answer or a timeout; undefined for the end of the connection. */
function refusalIn(error: unknown): PairingRefused | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof PairingRefused) return error;
  // Baileys' errors are Booms: an error answer has its code as data, a timeout 408 as status.
  const code: unknown = Reflect.get(error, 'data');
  if (typeof code === 'number') return new PairingRefused(code, { cause: error });
  const output: unknown = Reflect.get(error, 'output');
  const late = typeof output === 'object' && output !== null && Reflect.get(output, 'statusCode') === requestTimeout;
  return late ? new PairingRefused(undefined, { cause: error }) : undefined;
}

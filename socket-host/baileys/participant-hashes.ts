import type { BinaryNode } from '@whiskeysockets/baileys';
import { boundedCache } from '../../lib/runtime/bounded-cache.ts';

/** Our own devices are asked for again at most this often: their list is the same for all recipients. */
const ownEveryMs = 10 * 60_000;
const mostRemembered = 1000;

/**
 * The hashes over devices (`phash`) that acks carry, against ours. Where they differ, the server knows devices that the message was not
 * encrypted for. A recipient is asked for once for each hash of the server's: if it should count otherwise than we do, that must not cost a
 * query a message.
 */
export class ParticipantHashes {
  private readonly expected = boundedCache<{ address: string; hashes: string[] }>(mostRemembered);
  private readonly refreshedFor = boundedCache<string>(mostRemembered);
  private ownRefreshedAtMs = Number.NEGATIVE_INFINITY;

  /** A message goes to this number (digits); any of these hashes says that it went to all devices. */
  expect(whatsappId: string, address: string, hashes: string[]): void {
    this.expected.set(whatsappId, { address, hashes });
  }

  /** Whose devices (digits) an ack says that the message missed; `own`: ask for our own too. Undefined: none, or asked for already. */
  missedBy({ attrs }: BinaryNode, nowMs: number): { address: string; own: boolean } | undefined {
    const sent = this.expected.get(attrs.id ?? '');
    this.expected.delete(attrs.id ?? '');
    const { phash } = attrs;
    if (sent === undefined || phash === undefined || attrs.error !== undefined) return undefined;
    const { address, hashes } = sent;
    if (hashes.includes(phash) || this.refreshedFor.get(address) === phash) return undefined;
    this.refreshedFor.set(address, phash);
    const own = nowMs - this.ownRefreshedAtMs >= ownEveryMs;
    if (own) this.ownRefreshedAtMs = nowMs;
    return { address, own };
  }
}

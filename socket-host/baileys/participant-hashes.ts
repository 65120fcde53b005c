import type { BinaryNode } from '@whiskeysockets/baileys';
import { boundedCache } from '../../lib/runtime/bounded-cache.ts';

/** The devices of the account itself are asked for at most this often: their list is the same for all recipients. */
const ownEveryMs = 10 * 60_000;
const mostRemembered = 1000;

/**
 * Compares the hashes over devices (`phash`) that acks carry with those expected. If they differ, the server knows devices for which the message
 * was not encrypted. The devices of a recipient are asked for once for each hash of the server: if the server counted otherwise, every message
 * would cost a query.
 */
export class ParticipantHashes {
  private readonly expected = boundedCache<{ address: string; hashes: string[] }>(mostRemembered);
  private readonly refreshedFor = boundedCache<string>(mostRemembered);
  private ownRefreshedAtMs = Number.NEGATIVE_INFINITY;

  /** Expects the ack of a message to this number (digits). Any of these hashes says that the message went to all devices. */
  expect(whatsappId: string, address: string, hashes: string[]): void {
    this.expected.set(whatsappId, { address, hashes });
  }

  /** Returns the number (digits) whose devices the message missed by its ack; `own`: ask for the account's own too. Undefined: ask for none. */
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

import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { patch } from '../client/patch.ts';
import type { Table } from '../client/table.ts';
import { keys } from '../keys.ts';

const keptSec = 24 * 3600;
/** Longer than an invocation can live: a call still `running` after that is dead. */
const leaseMs = 60_000;

interface Record_ {
  requestHash: string;
  state: 'running' | 'open' | 'done';
  /** Identifies this attempt. The next one takes over only while the item still has the nonce that it read. */
  nonce: string;
  leaseUntil: number;
  /** The ids that the call creates derive from `seed` and `createdAt`, so that a repeat after a crash creates the same ids. */
  seed: string;
  createdAt: number;
  status?: number;
  contentType?: string;
  body?: Uint8Array;
  ttl: number;
}

export interface KeyedRequest {
  tenantId: string;
  path: string;
  key: string;
  requestHash: string;
  nowMs: number;
  randomBytes(n: number): Uint8Array;
}

export interface Attempt {
  kind: 'run';
  nonce: string;
  seed: string;
  createdAt: number;
  /** An earlier attempt began but has no stored answer. Its effect may or may not exist. */
  repeated: boolean;
}

export type Begun =
  | Attempt
  | { kind: 'replay'; status: number; contentType: string; body: Uint8Array }
  | { kind: 'reused' }
  | { kind: 'running' };

const itemKey = (request: Pick<KeyedRequest, 'tenantId' | 'path' | 'key'>) =>
  keys.idempotency(request.tenantId, sha256(`${request.path}\n${request.key}`));

/**
 * Reserves the key for this call, or returns the result of the first call with it. Time line of a key:
 *   (none) -> running -> done   a kept answer
 *                     -> open   a 5xx: not kept, the next call runs again with the same seed
 *             running, lease over: the process died; the next call runs with the same seed
 */
export async function beginKeyed(table: Table, request: KeyedRequest): Promise<Begun> {
  const nonce = hex(request.randomBytes(12));
  const nowSec = Math.floor(request.nowMs / 1000);
  const fresh: Record_ = {
    requestHash: request.requestHash,
    state: 'running',
    nonce,
    leaseUntil: request.nowMs + leaseMs,
    seed: hex(request.randomBytes(16)),
    createdAt: request.nowMs,
    ttl: nowSec + keptSec,
  };
  const key = itemKey(request);
  const isNewOrOver = {
    is: 'attribute_not_exists(pk) OR #ttl < :now',
    names: { '#ttl': 'ttl' },
    values: { ':now': nowSec },
  };
  // DynamoDB may remove an item hours after its `ttl`.
  const used = await table.tryPut({ ...key, type: 'idempotency', ...fresh }, { condition: { isNewOrOver } });
  if (used === undefined) return { kind: 'run', nonce, seed: fresh.seed, createdAt: fresh.createdAt, repeated: false };
  const old = await table.get<Record_>(key);
  if (old === undefined) return { kind: 'running' };
  if (old.requestHash !== request.requestHash) return { kind: 'reused' };
  if (old.state === 'done') {
    return {
      kind: 'replay',
      status: old.status ?? 200,
      contentType: old.contentType ?? 'application/json',
      body: old.body ?? new Uint8Array(),
    };
  }
  if (old.state === 'running' && old.leaseUntil > request.nowMs) return { kind: 'running' };
  const { refused } = await table.tryUpdate(key, {
    ...patch({ state: 'running', nonce, leaseUntil: request.nowMs + leaseMs }),
    // When two calls take over from the same attempt, one wins.
    condition: {
      isAttemptRead: { is: 'nonce = :old', values: { ':old': old.nonce } },
      isInStateRead: { is: '#state = :was', values: { ':was': old.state } },
    },
  });
  if (refused !== undefined) return { kind: 'running' };
  return { kind: 'run', nonce, seed: old.seed, createdAt: old.createdAt, repeated: true };
}

/** Stores the answer of an attempt. `undefined` means a 5xx: the key stays open. Does nothing when another attempt has taken over. */
export async function endKeyed(
  table: Table,
  request: Pick<KeyedRequest, 'tenantId' | 'path' | 'key'>,
  attempt: Attempt,
  answer: { status: number; contentType: string; body: Uint8Array } | undefined,
): Promise<void> {
  const { status, contentType, body } = answer ?? {};
  const outcome = answer === undefined ? { state: 'open' } : { state: 'done', status, contentType, body };
  await table.tryUpdate(itemKey(request), {
    ...patch(outcome),
    condition: { isOurAttempt: { is: 'nonce = :nonce', values: { ':nonce': attempt.nonce } } },
  });
}

/**
 * Returns an answer in its stored form: compressed, and encrypted with a key derived from the caller's API key. That key is stored nowhere, so the
 * table alone does not reveal answers, some of which contain a new key.
 */
export function sealAnswer(body: Uint8Array, callerKey: string, randomBytes: (n: number) => Uint8Array): Uint8Array {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', sealKey(callerKey), iv);
  const sealed = Buffer.concat([cipher.update(gzipSync(body)), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

/** Returns the answer that `sealAnswer` sealed. Throws when `callerKey` is another key. */
export function openAnswer(sealed: Uint8Array, callerKey: string): Uint8Array {
  const bytes = Buffer.from(sealed);
  const decipher = createDecipheriv('aes-256-gcm', sealKey(callerKey), bytes.subarray(0, 12));
  decipher.setAuthTag(bytes.subarray(12, 28));
  return gunzipSync(Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]));
}

const sealKey = (callerKey: string): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', callerKey, 'paceline', 'idempotency', 32));

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

import { createCipheriv, createDecipheriv, createHash, hkdfSync } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { ConditionFailed, type Table } from '../client/table.ts';
import { keys } from '../keys.ts';

const keptSec = 24 * 3600;
/** Longer than an invocation can live: a call still `running` after that is dead. */
const leaseMs = 60_000;

interface Record_ {
  requestHash: string;
  state: 'running' | 'open' | 'done';
  /** Names this attempt; the next one takes over only from the attempt it saw. */
  nonce: string;
  leaseUntil: number;
  /** Ids made by the call derive from these two, so that a repeat after a crash makes the same things and not others. */
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
  /** An earlier attempt began and did not end with an answer that is kept: its effect may or may not be there. */
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
 * Takes the key for this call, or says what became of the first call with it. Time line of a key:
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
  try {
    await table.put(
      { ...key, type: 'idempotency', ...fresh },
      // Clauses: nobody used the key; or its 24 h are over and the item has not been swept yet.
      {
        condition: 'attribute_not_exists(pk) OR #ttl < :now',
        names: { '#ttl': 'ttl' },
        values: { ':now': nowSec },
      },
    );
    return { kind: 'run', nonce, seed: fresh.seed, createdAt: fresh.createdAt, repeated: false };
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
  }
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
  try {
    await table.update(key, {
      update: 'SET #s = :running, nonce = :nonce, leaseUntil = :until',
      // Clause: the attempt is the one we read; two takers race, one wins.
      condition: 'nonce = :old AND #s = :was',
      names: { '#s': 'state' },
      values: {
        ':running': 'running',
        ':nonce': nonce,
        ':until': request.nowMs + leaseMs,
        ':old': old.nonce,
        ':was': old.state,
      },
    });
  } catch (error) {
    if (error instanceof ConditionFailed) return { kind: 'running' };
    throw error;
  }
  return { kind: 'run', nonce, seed: old.seed, createdAt: old.createdAt, repeated: true };
}

/** Keeps the answer; nothing happens when another attempt has taken over since. `undefined`: a 5xx, the key stays open. */
export async function endKeyed(
  table: Table,
  request: Pick<KeyedRequest, 'tenantId' | 'path' | 'key'>,
  attempt: Attempt,
  answer: { status: number; contentType: string; body: Uint8Array } | undefined,
): Promise<void> {
  const done = answer !== undefined;
  try {
    await table.update(itemKey(request), {
      update: done ? 'SET #s = :s, #st = :status, contentType = :type, #b = :body' : 'SET #s = :s',
      // Clause: still our attempt.
      condition: 'nonce = :nonce',
      names: done ? { '#s': 'state', '#st': 'status', '#b': 'body' } : { '#s': 'state' },
      values: {
        ':s': done ? 'done' : 'open',
        ':nonce': attempt.nonce,
        ...(done ? { ':status': answer.status, ':type': answer.contentType, ':body': answer.body } : {}),
      },
    });
  } catch (error) {
    if (!(error instanceof ConditionFailed)) throw error;
  }
}

/**
 * Answers are stored packed and, because some show a key once, encrypted with a key derived from the caller's own, which is stored
 * nowhere: the table alone does not tell them.
 */
export function sealAnswer(body: Uint8Array, callerKey: string, randomBytes: (n: number) => Uint8Array): Uint8Array {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', sealKey(callerKey), iv);
  const sealed = Buffer.concat([cipher.update(gzipSync(body)), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), sealed]);
}

/** Throws when `callerKey` is not the key it was sealed for. */
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

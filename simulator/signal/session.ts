import { createCipheriv, createDecipheriv, createSecretKey, timingSafeEqual } from 'node:crypto';
import { type Envelope, writePreKeyEnvelope, writeSigned } from './envelope.ts';
import { agree, derive, type KeyPair, keyPair, mac, typed } from './keys.ts';

/**
 * One double-ratchet session between a simulated phone and a linked device.
 *
 * Nothing in it changes before a message's MAC was checked. Our next sending key is made when we first answer, not when their key arrives. This saves
 * work for phones that only receive, and the bytes on the wire are the same.
 */
export type Session = {
  /** Names the session: the base key of the side that began it, 32 bytes. */
  readonly baseKey: Buffer;
  readonly theirIdentity: Buffer;
  rootKey: Buffer;
  ourRatchet: KeyPair;
  theirRatchet: Buffer;
  sending: { chainKey: Buffer; counter: number } | undefined;
  previousCounter: number;
  /** Newest first. */
  receiving: Receiving[];
  /** Set until they answer. Our messages then carry these ids, which they need to begin the session. */
  unanswered: { readonly preKeyId: number | undefined; readonly signedPreKeyId: number } | undefined;
};

export type Receiving = {
  readonly ratchetKey: Buffer;
  chainKey: Buffer;
  /** The next counter that has not been seen. */
  counter: number;
  /** Keys of skipped counters, by counter. */
  skipped: Map<number, Buffer>;
};

export type Opened =
  | { readonly result: 'opened'; readonly plaintext: Buffer }
  | { readonly result: 'used-counter' }
  | { readonly result: 'no-match' };

/** Signal's own limits. */
const MOST_SKIPPED = 2000;
const MOST_RECEIVING = 5;

const NEXT_MESSAGE = Buffer.of(1);
const NEXT_CHAIN = Buffer.of(2);

/** Begins a session on the receiving side (X3DH). `oneTime` is absent when the sender found no prekey left. */
export function beginIncoming(
  ours: { identity: KeyPair; signedPreKey: KeyPair; oneTime: KeyPair | undefined },
  theirs: { identityKey: Buffer; baseKey: Buffer },
): Session {
  const secret = Buffer.concat([
    Buffer.alloc(32, 0xff),
    agree(ours.signedPreKey.private, theirs.identityKey),
    agree(ours.identity.private, theirs.baseKey),
    agree(ours.signedPreKey.private, theirs.baseKey),
    ...(ours.oneTime ? [agree(ours.oneTime.private, theirs.baseKey)] : []),
  ]);
  return {
    baseKey: Buffer.from(theirs.baseKey),
    theirIdentity: Buffer.from(theirs.identityKey),
    rootKey: derive(secret, 'WhisperText', 64).subarray(0, 32),
    ourRatchet: ours.signedPreKey,
    theirRatchet: Buffer.from(theirs.baseKey),
    sending: undefined,
    previousCounter: 0,
    receiving: [],
    unanswered: undefined,
  };
}

/** Begins a session on the side that writes first (X3DH), with the keys that a device has uploaded. */
export function beginOutgoing(
  ourIdentity: KeyPair,
  newKey: () => KeyPair,
  theirs: {
    identityKey: Buffer;
    signedPreKey: { id: number; public: Buffer };
    oneTime: { id: number; public: Buffer } | undefined;
  },
): Session {
  const base = newKey();
  const secret = Buffer.concat([
    Buffer.alloc(32, 0xff),
    agree(ourIdentity.private, theirs.signedPreKey.public),
    agree(base.private, theirs.identityKey),
    agree(base.private, theirs.signedPreKey.public),
    ...(theirs.oneTime ? [agree(base.private, theirs.oneTime.public)] : []),
  ]);
  return {
    baseKey: base.public,
    theirIdentity: Buffer.from(theirs.identityKey),
    rootKey: derive(secret, 'WhisperText', 64).subarray(0, 32),
    ourRatchet: base,
    theirRatchet: Buffer.from(theirs.signedPreKey.public),
    sending: undefined,
    previousCounter: 0,
    receiving: [],
    unanswered: { preKeyId: theirs.oneTime?.id, signedPreKeyId: theirs.signedPreKey.id },
  };
}

/** Returns the first chain key under a new pair of ratchet keys, and the next root key. */
function step(rootKey: Buffer, ours: KeyPair, theirs: Buffer): { rootKey: Buffer; chainKey: Buffer } {
  const keys = derive(agree(ours.private, theirs), 'WhisperRatchet', 64, rootKey);
  return { rootKey: keys.subarray(0, 32), chainKey: keys.subarray(32) };
}

/** Opens a message, or says why not; only `opened` changes the session. */
export function open(session: Session, envelope: Envelope, ourIdentity: Buffer): Opened {
  const known = session.receiving.find((chain) => chain.ratchetKey.equals(envelope.ratchetKey));
  const stepped = known ? undefined : step(session.rootKey, session.ourRatchet, envelope.ratchetKey);
  const chain = known ?? {
    ratchetKey: Buffer.from(envelope.ratchetKey),
    chainKey: stepped?.chainKey ?? Buffer.alloc(0),
    counter: 0,
    skipped: new Map<number, Buffer>(),
  };
  if (envelope.counter - chain.counter > MOST_SKIPPED) return { result: 'no-match' };
  let chainKey = chain.chainKey;
  let messageKey = chain.skipped.get(envelope.counter);
  const passed: [number, Buffer][] = [];
  if (!messageKey) {
    if (envelope.counter < chain.counter) return { result: 'used-counter' };
    for (let counter = chain.counter; counter <= envelope.counter; counter++) {
      messageKey = mac(chainKey, NEXT_MESSAGE);
      chainKey = mac(chainKey, NEXT_CHAIN);
      if (counter < envelope.counter) passed.push([counter, messageKey]);
    }
  }
  if (!messageKey) return { result: 'no-match' };
  const keys = derive(messageKey, 'WhisperMessageKeys', 80);
  const expected = mac(keys.subarray(32, 64), typed(session.theirIdentity), typed(ourIdentity), envelope.signed);
  if (!timingSafeEqual(expected.subarray(0, 8), envelope.mac)) return { result: 'no-match' };
  const decipher = createDecipheriv('aes-256-cbc', createSecretKey(keys.subarray(0, 32)), keys.subarray(64, 80));
  const plaintext = Buffer.concat([decipher.update(envelope.ciphertext), decipher.final()]);

  if (stepped) {
    session.rootKey = stepped.rootKey;
    session.theirRatchet = chain.ratchetKey;
    if (session.sending) session.previousCounter = Math.max(session.sending.counter - 1, 0);
    session.sending = undefined;
    session.receiving = [chain, ...session.receiving].slice(0, MOST_RECEIVING);
  }
  if (chain.skipped.delete(envelope.counter) === false) {
    chain.chainKey = chainKey;
    chain.counter = envelope.counter + 1;
    for (const [counter, key] of passed) chain.skipped.set(counter, key);
    for (const counter of chain.skipped.keys()) {
      if (chain.skipped.size <= MOST_SKIPPED) break;
      chain.skipped.delete(counter);
    }
  }
  session.unanswered = undefined;
  return { result: 'opened', plaintext };
}

/** Encrypts the next message of a session; the type says which envelope it is. */
export function seal(
  session: Session,
  plaintext: Buffer,
  ours: { identity: KeyPair; registrationId: number },
  newKey: () => KeyPair,
): { type: 'pkmsg' | 'msg'; body: Buffer } {
  if (!session.sending) {
    const next = newKey();
    const stepped = step(session.rootKey, next, session.theirRatchet);
    session.ourRatchet = next;
    session.rootKey = stepped.rootKey;
    session.sending = { chainKey: stepped.chainKey, counter: 0 };
  }
  const { sending } = session;
  const keys = derive(mac(sending.chainKey, NEXT_MESSAGE), 'WhisperMessageKeys', 80);
  const cipher = createCipheriv('aes-256-cbc', createSecretKey(keys.subarray(0, 32)), keys.subarray(64, 80));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  const signed = writeSigned(typed(session.ourRatchet.public), sending.counter, session.previousCounter, ciphertext);
  const tag = mac(keys.subarray(32, 64), typed(ours.identity.public), typed(session.theirIdentity), signed);
  const message = Buffer.concat([signed, tag.subarray(0, 8)]);
  sending.chainKey = mac(sending.chainKey, NEXT_CHAIN);
  sending.counter += 1;
  if (!session.unanswered) return { type: 'msg', body: message };
  return {
    type: 'pkmsg',
    body: writePreKeyEnvelope({
      ...session.unanswered,
      registrationId: ours.registrationId,
      baseKey: typed(session.baseKey),
      identityKey: typed(ours.identity.public),
      message,
    }),
  };
}

/** A session as JSON. */
export function packSession(session: Session): unknown {
  return {
    baseKey: session.baseKey.toString('base64'),
    theirIdentity: session.theirIdentity.toString('base64'),
    rootKey: session.rootKey.toString('base64'),
    ourRatchet: session.ourRatchet.private.toString('base64'),
    theirRatchet: session.theirRatchet.toString('base64'),
    sending: session.sending && [session.sending.chainKey.toString('base64'), session.sending.counter],
    previousCounter: session.previousCounter,
    receiving: session.receiving.map((chain) => [
      chain.ratchetKey.toString('base64'),
      chain.chainKey.toString('base64'),
      chain.counter,
      [...chain.skipped].map(([counter, key]) => [counter, key.toString('base64')]),
    ]),
    unanswered: session.unanswered,
  };
}

export type PackedSession = {
  baseKey: string;
  theirIdentity: string;
  rootKey: string;
  ourRatchet: string;
  theirRatchet: string;
  sending?: [string, number];
  previousCounter: number;
  receiving: [string, string, number, [number, string][]][];
  unanswered?: { preKeyId?: number; signedPreKeyId: number };
};

/** The session that `packSession` wrote. */
export function unpackSession(packed: PackedSession): Session {
  const bytes = (text: string) => Buffer.from(text, 'base64');
  return {
    baseKey: bytes(packed.baseKey),
    theirIdentity: bytes(packed.theirIdentity),
    rootKey: bytes(packed.rootKey),
    ourRatchet: keyPair(bytes(packed.ourRatchet)),
    theirRatchet: bytes(packed.theirRatchet),
    sending: packed.sending && { chainKey: bytes(packed.sending[0]), counter: packed.sending[1] },
    previousCounter: packed.previousCounter,
    receiving: packed.receiving.map(([ratchetKey, chainKey, counter, skipped]) => ({
      ratchetKey: bytes(ratchetKey),
      chainKey: bytes(chainKey),
      counter,
      skipped: new Map(skipped.map(([at, key]) => [at, bytes(key)])),
    })),
    unanswered: packed.unanswered && {
      preKeyId: packed.unanswered.preKeyId,
      signedPreKeyId: packed.unanswered.signedPreKeyId,
    },
  };
}

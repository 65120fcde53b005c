import { randomBytes } from 'node:crypto';
import { verifySignature as libsignalVerifies } from 'libsignal/src/curve.js';
import { expect, test } from 'vitest';
import { readEnvelope, readPreKeyEnvelope } from '../../simulator/signal/envelope.ts';
import { identity, keyPair, typed, verifySignature } from '../../simulator/signal/keys.ts';
import { openMessage, packRecord, type SessionRecord, unpackRecord } from '../../simulator/signal/record.ts';
import { beginOutgoing, type Session, seal } from '../../simulator/signal/session.ts';

const newKey = () => keyPair(randomBytes(32));

/** Two sides that know each other's keys; Alice writes first. */
function aliceAndBob() {
  const alice = { identity: identity(randomBytes(32)), registrationId: 7 };
  const bob = { identity: identity(randomBytes(32)), registrationId: 8 };
  const signedPreKey = newKey();
  const oneTime = newKey();
  const spent: number[] = [];
  const session = beginOutgoing(alice.identity, newKey, {
    identityKey: bob.identity.public,
    signedPreKey: { id: 1, public: signedPreKey.public },
    oneTime: { id: 5, public: oneTime.public },
  });
  const bobRecord: SessionRecord = { sessions: [] };
  const bobKeys = {
    identity: bob.identity,
    signedPreKey,
    signedPreKeyId: 1,
    oneTime: (id: number) => (id === 5 && !spent.includes(5) ? oneTime : undefined),
    spend: (id: number) => void spent.push(id),
  };
  const write = (text: string) => seal(session, Buffer.from(text), alice, newKey);
  const read = (record: SessionRecord, { type, body }: { type: string; body: Buffer }) => {
    const opened = openMessage(record, type, body, bobKeys);
    return opened.result === 'opened' ? opened.plaintext.toString() : opened.result;
  };
  return {
    alice,
    bob,
    session,
    bobRecord,
    write,
    read: (m: { type: string; body: Buffer }) => read(bobRecord, m),
    readWith: read,
    spent,
  };
}

test('signatures are valid XEdDSA, and a changed message or key is noticed', () => {
  for (let times = 0; times < 8; times++) {
    const signer = identity(randomBytes(32));
    const message = randomBytes(50);
    const signature = signer.sign(message);
    expect(libsignalVerifies(typed(signer.public), message, signature)).toBe(true);
    expect(verifySignature(signer.public, message, signature)).toBe(true);
    expect(verifySignature(signer.public, randomBytes(50), signature)).toBe(false);
    expect(verifySignature(newKey().public, message, signature)).toBe(false);
  }
});

test('messages are read in any order, each once', () => {
  const { write, read } = aliceAndBob();
  const [one, two, three] = [write('one'), write('two'), write('three')];

  expect([read(three), read(one), read(two)]).toEqual(['three', 'one', 'two']);
  expect([read(three), read(one), read(two)]).toEqual(['used-counter', 'used-counter', 'used-counter']);
});

test('a prekey opens one session only', () => {
  const { write, read, readWith, spent } = aliceAndBob();
  const first = write('one');

  expect(read(first)).toBe('one');
  expect(spent).toEqual([5]);
  expect(readWith({ sessions: [] }, first)).toBe('no-match');
});

test('a spoiled message changes nothing: the real one is still read', () => {
  const { write, read } = aliceAndBob();
  const message = write('one');
  const spoiled = Buffer.from(message.body);
  spoiled[spoiled.length - 20] = (spoiled.at(-20) ?? 0) ^ 1;

  expect(read({ type: message.type, body: spoiled })).toBe('no-match');
  expect(read({ type: 'msg', body: Buffer.from('nonsense') })).toBe('no-match');
  expect(read(message)).toBe('one');
});

test('a conversation ratchets, and a record survives being stored at any point of it', () => {
  const { alice, bob, session, bobRecord, write, readWith } = aliceAndBob();
  const aliceRecord: SessionRecord = { sessions: [session] };
  let stored = bobRecord;
  const reply = (text: string) => {
    const [current] = stored.sessions as [Session];
    return seal(current, Buffer.from(text), bob, newKey);
  };
  const aliceReads = ({ type, body }: { type: string; body: Buffer }) => {
    const keys = {
      identity: alice.identity,
      signedPreKey: newKey(),
      signedPreKeyId: 1,
      oneTime: () => undefined,
      spend: () => undefined,
    };
    const opened = openMessage(aliceRecord, type, body, keys);
    return opened.result === 'opened' ? opened.plaintext.toString() : opened.result;
  };

  for (let round = 0; round < 4; round++) {
    const [late, message] = [write(`late ${round}`), write(`question ${round}`)];
    expect(readWith(stored, message)).toBe(`question ${round}`);
    stored = unpackRecord(packRecord(stored));
    const answer = reply(`answer ${round}`);
    expect(answer.type).toBe('msg');
    expect(aliceReads(answer)).toBe(`answer ${round}`);
    expect(readWith(stored, late)).toBe(`late ${round}`);
    expect(readWith(stored, message)).toBe('used-counter');
  }
});

test('envelopes that are cut off anywhere are refused', () => {
  const { write } = aliceAndBob();
  const { body } = write('one');
  for (let length = 0; length < body.length - 4; length++) {
    expect(() => readEnvelope(readPreKeyEnvelope(body.subarray(0, length)).message)).toThrow();
  }
});

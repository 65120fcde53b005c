import { type Envelope, readEnvelope, readPreKeyEnvelope } from './envelope.ts';
import type { KeyPair } from './keys.ts';
import {
  beginIncoming,
  type Opened,
  open,
  type PackedSession,
  packSession,
  type Session,
  unpackSession,
} from './session.ts';

/** All sessions with one device, the last used one first. Older ones still open messages that were sent under them. */
export type SessionRecord = { sessions: Session[] };

/** The keys a phone opens new sessions with. */
export type OwnKeys = {
  readonly identity: KeyPair;
  readonly signedPreKey: KeyPair;
  readonly signedPreKeyId: number;
  /** The private half of a one-time prekey; undefined when it was never given out or is used up. */
  readonly oneTime: (id: number) => KeyPair | undefined;
  /** Called once a message has been opened with the prekey: it must not open another session. */
  readonly spend: (id: number) => void;
};

/** The number of sessions that Signal keeps. */
const MOST_SESSIONS = 40;

const front = (record: SessionRecord, session: Session) => {
  record.sessions = [session, ...record.sessions.filter((other) => other !== session)].slice(0, MOST_SESSIONS);
};

/** Adds a new session, under which messages are sent from now on. */
export const addSession = front;

/** Opens an encrypted message as a real client does; a malformed one is `no-match`. */
export function openMessage(record: SessionRecord, type: string, body: Buffer, ours: OwnKeys): Opened {
  try {
    if (type === 'pkmsg') return openPreKeyMessage(record, body, ours);
    if (type === 'msg') return openPlainMessage(record, readEnvelope(body), ours);
    return { result: 'no-match' };
  } catch {
    return { result: 'no-match' };
  }
}

function openPreKeyMessage(record: SessionRecord, body: Buffer, ours: OwnKeys): Opened {
  const envelope = readPreKeyEnvelope(body);
  const message = readEnvelope(envelope.message);
  const known = record.sessions.find((session) => session.baseKey.equals(envelope.baseKey));
  if (known) {
    const opened = open(known, message, ours.identity.public);
    if (opened.result === 'opened') front(record, known);
    return opened;
  }
  if (envelope.signedPreKeyId !== ours.signedPreKeyId) return { result: 'no-match' };
  const oneTime = envelope.preKeyId === undefined ? undefined : ours.oneTime(envelope.preKeyId);
  if (envelope.preKeyId !== undefined && !oneTime) return { result: 'no-match' };
  const session = beginIncoming({ ...ours, oneTime }, envelope);
  const opened = open(session, message, ours.identity.public);
  if (opened.result === 'opened') {
    front(record, session);
    if (envelope.preKeyId !== undefined) ours.spend(envelope.preKeyId);
  }
  return opened;
}

function openPlainMessage(record: SessionRecord, envelope: Envelope, ours: OwnKeys): Opened {
  // A session that knows the ratchet key is the right one: its result is final, even `used-counter`.
  const known = record.sessions.find((session) =>
    session.receiving.some((chain) => chain.ratchetKey.equals(envelope.ratchetKey)),
  );
  for (const session of known ? [known] : record.sessions) {
    const opened = open(session, envelope, ours.identity.public);
    if (opened.result === 'no-match') continue;
    if (opened.result === 'opened') front(record, session);
    return opened;
  }
  return { result: 'no-match' };
}

/** A record as text for the store. */
export const packRecord = (record: SessionRecord): string => JSON.stringify(record.sessions.map(packSession));

/** The record that `packRecord` wrote. */
export const unpackRecord = (text: string): SessionRecord => ({
  sessions: (JSON.parse(text) as PackedSession[]).map(unpackSession),
});

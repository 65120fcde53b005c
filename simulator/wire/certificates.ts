import { proto } from '@whiskeysockets/baileys/WAProto/index.js';
import { derive, identity, type KeyPair } from '../signal/keys.ts';

/** The certificates of the server: leaf <- intermediate <- root. Each data folder has its own. */
export type ServerIdentity = {
  /** 32 bytes, hex. Clients must trust this key instead of WhatsApp's. */
  readonly rootKeyHex: string;
  readonly staticKey: KeyPair;
  /** The chain as the handshake carries it. */
  readonly certificates: Buffer;
};

const { NoiseCertificate } = proto.CertChain;
/** The serial of WhatsApp's own root, which clients compare. */
const ROOT_SERIAL = 0;
const INTERMEDIATE_SERIAL = 1;
const LEAF_SERIAL = 2;

const DAY_SEC = 86_400;
/** A simulator that runs for longer than this must be started again. */
const VALID_SEC = 365 * DAY_SEC;

/** Returns the server's identity for a secret of 32 bytes, which determines the keys. Valid from a day before `nowMs` to a year after it. */
export function serverIdentity(secret: Buffer, nowMs: number): ServerIdentity {
  const nowSec = Math.floor(nowMs / 1000);
  const validity = { notBefore: nowSec - DAY_SEC, notAfter: nowSec + VALID_SEC };
  const root = identity(derive(secret, 'noise root', 32));
  const intermediate = identity(derive(secret, 'noise intermediate', 32));
  const leaf = identity(derive(secret, 'noise leaf', 32));
  const intermediateDetails = NoiseCertificate.Details.encode({
    serial: INTERMEDIATE_SERIAL,
    issuerSerial: ROOT_SERIAL,
    key: intermediate.public,
    ...validity,
  }).finish();
  const leafDetails = NoiseCertificate.Details.encode({
    serial: LEAF_SERIAL,
    issuerSerial: INTERMEDIATE_SERIAL,
    key: leaf.public,
    ...validity,
  }).finish();
  const certificates = proto.CertChain.encode({
    leaf: { details: leafDetails, signature: intermediate.sign(leafDetails) },
    intermediate: { details: intermediateDetails, signature: root.sign(intermediateDetails) },
  }).finish();
  return { rootKeyHex: root.public.toString('hex'), staticKey: leaf, certificates: Buffer.from(certificates) };
}

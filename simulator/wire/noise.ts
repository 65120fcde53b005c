import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { proto } from '@whiskeysockets/baileys/WAProto/index.js';
import { agree, derive, type KeyPair, keyPair } from '../signal/keys.ts';

/**
 * The server's side of Noise_XX_25519_AESGCM_SHA256, as WhatsApp frames it:
 *   intro -> expecting-hello -> (hello answered) -> expecting-finish -> transport
 * Every frame is three bytes of length and a body; the first one comes after an intro, which may hold routing info.
 */
export type Hello = { readonly noiseKey: Buffer; readonly payload: proto.ClientPayload };

const MODE = Buffer.from('Noise_XX_25519_AESGCM_SHA256\0\0\0\0');
const WA_HEADER = Buffer.from([87, 65, 6, 3]);
const ROUTING_HEADER_BYTES = 7;
const TAG_BYTES = 16;
const MOST_FRAME_BYTES = 1 << 24;

const sha256 = (...parts: Uint8Array[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

function initializationVector(counter: number): Buffer {
  const iv = Buffer.alloc(12);
  iv.writeUInt32BE(counter, 8);
  return iv;
}

function encrypt(key: KeyObject, counter: number, data: Uint8Array, extra: Uint8Array): Buffer {
  const cipher = createCipheriv('aes-256-gcm', key, initializationVector(counter));
  cipher.setAAD(extra);
  return Buffer.concat([cipher.update(data), cipher.final(), cipher.getAuthTag()]);
}

function decrypt(key: KeyObject, counter: number, data: Buffer, extra: Uint8Array): Buffer {
  const decipher = createDecipheriv('aes-256-gcm', key, initializationVector(counter));
  decipher.setAAD(extra);
  decipher.setAuthTag(data.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(data.subarray(0, -TAG_BYTES)), decipher.final()]);
}

const NOTHING = Buffer.alloc(0);

export class NoiseServer {
  readonly #staticKey: KeyPair;
  readonly #certificates: Buffer;
  #state: 'intro' | 'expecting-hello' | 'expecting-finish' | 'transport' = 'intro';
  #received: Buffer = NOTHING;
  #hash: Buffer = MODE;
  #salt: Buffer = MODE;
  #key: KeyObject = createSecretKey(MODE);
  #counter = 0;
  #ephemeral: KeyPair | undefined;
  #readKey: KeyObject = this.#key;
  #writeKey: KeyObject = this.#key;
  #readCounter = 0;
  #writeCounter = 0;

  constructor(staticKey: KeyPair, certificates: Buffer) {
    this.#staticKey = staticKey;
    this.#certificates = certificates;
  }

  /** Adds bytes from the socket and yields the complete frames, still encrypted. Throws on malformed data. */
  *frames(data: Buffer): Generator<Buffer> {
    this.#received = this.#received.length ? Buffer.concat([this.#received, data]) : data;
    if (this.#state === 'intro' && !this.#readIntro()) return;
    while (this.#received.length >= 3) {
      const length = this.#received.readUIntBE(0, 3);
      if (length > MOST_FRAME_BYTES) throw new Error('The frame is too long.');
      if (this.#received.length < 3 + length) return;
      const frame = this.#received.subarray(3, 3 + length);
      this.#received = this.#received.subarray(3 + length);
      yield frame;
    }
  }

  /** Whether the handshake is over and frames carry stanzas. */
  get open(): boolean {
    return this.#state === 'transport';
  }

  /** Handles the client's hello. Returns the frame to send back. */
  answer(frame: Buffer): Buffer {
    if (this.#state !== 'expecting-hello') throw new Error('A client hello came at the wrong time.');
    const theirs = proto.HandshakeMessage.decode(frame).clientHello?.ephemeral;
    if (!theirs) throw new Error('The client hello has no key.');
    const ephemeral = keyPair(randomBytes(32));
    this.#ephemeral = ephemeral;
    this.#authenticate(theirs);
    this.#authenticate(ephemeral.public);
    this.#mix(agree(ephemeral.private, theirs));
    const staticKey = this.#seal(this.#staticKey.public);
    this.#mix(agree(this.#staticKey.private, theirs));
    const payload = this.#seal(this.#certificates);
    this.#state = 'expecting-finish';
    const serverHello = { ephemeral: ephemeral.public, static: staticKey, payload };
    return framed(proto.HandshakeMessage.encode({ serverHello }).finish());
  }

  /** Handles the client's finish and opens the transport. */
  finish(frame: Buffer): Hello {
    const { clientFinish } = proto.HandshakeMessage.decode(frame);
    if (this.#state !== 'expecting-finish' || !this.#ephemeral || !clientFinish?.static || !clientFinish.payload) {
      throw new Error('The client finish is missing or came at the wrong time.');
    }
    const noiseKey = this.#unseal(Buffer.from(clientFinish.static));
    this.#mix(agree(this.#ephemeral.private, noiseKey));
    const payload = proto.ClientPayload.decode(this.#unseal(Buffer.from(clientFinish.payload)));
    const keys = derive(NOTHING, '', 64, this.#salt);
    this.#readKey = createSecretKey(keys.subarray(0, 32));
    this.#writeKey = createSecretKey(keys.subarray(32));
    this.#state = 'transport';
    return { noiseKey, payload };
  }

  /** Decrypts a frame. Returns the bytes of its stanza. */
  read(frame: Buffer): Buffer {
    return decrypt(this.#readKey, this.#readCounter++, frame, NOTHING);
  }

  /** Encrypts the bytes of a stanza. Returns the frame. */
  write(data: Uint8Array): Buffer {
    return framed(encrypt(this.#writeKey, this.#writeCounter++, data, NOTHING));
  }

  #readIntro(): boolean {
    const received = this.#received;
    let start = 0;
    if (received.length >= 2 && received.toString('latin1', 0, 2) === 'ED') {
      if (received.length < ROUTING_HEADER_BYTES) return false;
      start = ROUTING_HEADER_BYTES + received.readUIntBE(4, 3);
    }
    if (received.length < start + WA_HEADER.length) return false;
    if (!received.subarray(start, start + WA_HEADER.length).equals(WA_HEADER)) {
      throw new Error('The connection does not begin as a WhatsApp client does.');
    }
    this.#received = received.subarray(start + WA_HEADER.length);
    this.#authenticate(WA_HEADER);
    this.#state = 'expecting-hello';
    return true;
  }

  #authenticate(data: Uint8Array): void {
    this.#hash = sha256(this.#hash, data);
  }

  #mix(secret: Uint8Array): void {
    const keys = derive(secret, '', 64, this.#salt);
    this.#salt = keys.subarray(0, 32);
    this.#key = createSecretKey(keys.subarray(32));
    this.#counter = 0;
  }

  #seal(data: Uint8Array): Buffer {
    const sealed = encrypt(this.#key, this.#counter++, data, this.#hash);
    this.#authenticate(sealed);
    return sealed;
  }

  #unseal(data: Buffer): Buffer {
    const plain = decrypt(this.#key, this.#counter++, data, this.#hash);
    this.#authenticate(data);
    return plain;
  }
}

function framed(body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(3 + body.length);
  frame.writeUIntBE(body.length, 0, 3);
  frame.set(body, 3);
  return frame;
}

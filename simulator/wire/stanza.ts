import { inflateSync } from 'node:zlib';
import * as tokens from '@whiskeysockets/baileys/lib/WABinary/constants.js';
import { decodeDecompressedBinaryNode } from '@whiskeysockets/baileys/lib/WABinary/decode.js';
import { encodeBinaryNode } from '@whiskeysockets/baileys/lib/WABinary/encode.js';
import type { BinaryNode } from '@whiskeysockets/baileys/lib/WABinary/types.js';

/** One stanza: a tag, string attributes, and children, text or bytes. */
export type Stanza = BinaryNode;

/** The address of the server itself: a server name without a user. */
export const SERVER = '@s.whatsapp.net';

const COMPRESSED = 2;

/** Reads a decrypted frame; throws when it is malformed. */
export function decodeStanza(frame: Buffer): Stanza {
  const compressed = ((frame[0] ?? 0) & COMPRESSED) !== 0;
  const body = compressed ? inflateSync(frame.subarray(1)) : frame.subarray(1);
  return decodeDecompressedBinaryNode(body, tokens);
}

/** The bytes of a stanza, before encryption. */
export const encodeStanza = (stanza: Stanza): Buffer => encodeBinaryNode(stanza);

/** Builds a stanza; attributes that are undefined are left out. */
export function stanza(
  tag: string,
  attributes: Record<string, string | undefined> = {},
  content?: Stanza[] | string | Uint8Array,
): Stanza {
  const attrs: Record<string, string> = {};
  for (const [name, value] of Object.entries(attributes)) if (value !== undefined) attrs[name] = value;
  return content === undefined ? { tag, attrs } : { tag, attrs, content };
}

/** The children of a stanza, all or those of one tag. */
export function children(parent: Stanza | undefined, tag?: string): Stanza[] {
  if (!parent || !Array.isArray(parent.content)) return [];
  return tag === undefined ? parent.content : parent.content.filter((node) => node.tag === tag);
}

/** The first child of a tag. */
export const child = (parent: Stanza | undefined, tag: string): Stanza | undefined => {
  if (!parent || !Array.isArray(parent.content)) return undefined;
  return parent.content.find((node) => node.tag === tag);
};

/** The bytes in a stanza, or in its first child of a tag. */
export function bytesIn(parent: Stanza | undefined, tag?: string): Buffer | undefined {
  const node = tag === undefined ? parent : child(parent, tag);
  const content = node?.content;
  if (content === undefined || Array.isArray(content)) return undefined;
  return typeof content === 'string' ? Buffer.from(content) : Buffer.from(content);
}

/** A big-endian number held as bytes by the first child of a tag. */
export function numberIn(parent: Stanza | undefined, tag: string): number | undefined {
  const bytes = bytesIn(parent, tag);
  return bytes && bytes.length > 0 && bytes.length <= 6 ? bytes.readUIntBE(0, bytes.length) : undefined;
}

/** A number as big-endian bytes. */
export function bigEndian(value: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUIntBE(value, 0, length);
  return bytes;
}

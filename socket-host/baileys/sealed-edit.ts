import { createDecipheriv, hkdfSync } from 'node:crypto';
import { proto } from '@whiskeysockets/baileys';
import { layersOf } from './content.ts';

/** An edit that is encrypted with the secret of the message it edits, as clients send it since May 2026. */
export interface SealedEdit {
  /** WhatsApp id of the edited message. */
  target: string;
  payload: Uint8Array;
  iv: Uint8Array;
}

const secretBytes = 32;
const ivBytes = 12;
const tagBytes = 16;
/** The name of this use of the key, which is part of its derivation. */
const use = 'Message Edit';

/** Returns the secret of a message: 32 bytes from its writer, the key for later edits. Undefined where it has none. */
export function secretIn(message: proto.IMessage): Uint8Array | undefined {
  const secrets = layersOf(message).map(({ messageContextInfo }) => messageContextInfo?.messageSecret);
  return secrets.find((secret): secret is Uint8Array => secret?.length === secretBytes);
}

/** Returns the encrypted edit in a message; undefined where it is another kind or incomplete. */
export function sealedEditIn(message: proto.IMessage): SealedEdit | undefined {
  const sealed = layersOf(message).at(-1)?.secretEncryptedMessage;
  const { MESSAGE_EDIT } = proto.Message.SecretEncryptedMessage.SecretEncType;
  if (sealed?.secretEncType !== MESSAGE_EDIT) return undefined;
  const { targetMessageKey, encPayload, encIv } = sealed;
  if (!targetMessageKey?.id || encIv?.length !== ivBytes || !encPayload || encPayload.length <= tagBytes)
    return undefined;
  return { target: targetMessageKey.id, payload: encPayload, iv: encIv };
}

/**
 * Returns the edited message, decrypted with its own secret. `addresses` are number and LID of the person. The key is made from the writer's
 * address at the time, which may be either one for the message and for the edit. Undefined when none fits: the edit is another person's, or the
 * secret is another message's.
 */
export function openEdit(edit: SealedEdit, secret: Uint8Array, addresses: string[]): proto.IMessage | undefined {
  for (const writer of addresses) {
    for (const editor of addresses) {
      const plaintext = decrypted(edit, secret, edit.target + writer + editor + use);
      if (plaintext !== undefined) return plaintext;
    }
  }
  return undefined;
}

function decrypted({ payload, iv }: SealedEdit, secret: Uint8Array, info: string): proto.IMessage | undefined {
  const key = new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(), info, 32));
  const decipher = createDecipheriv('aes-256-gcm', key, iv);
  decipher.setAuthTag(payload.subarray(-tagBytes));
  try {
    const plaintext = Buffer.concat([decipher.update(payload.subarray(0, -tagBytes)), decipher.final()]);
    return proto.Message.decode(plaintext);
  } catch {
    return undefined;
  }
}

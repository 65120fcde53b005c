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
/** Names the use of the key. */
const use = 'Message Edit';

/** The secret of a message: 32 bytes from its writer, the key of what is said about the message later. Undefined where it has none. */
export function secretIn(message: proto.IMessage): Uint8Array | undefined {
  const secrets = layersOf(message).map(({ messageContextInfo }) => messageContextInfo?.messageSecret);
  return secrets.find((secret): secret is Uint8Array => secret?.length === secretBytes);
}

/** The encrypted edit in a message; undefined where it is another kind or incomplete. */
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
 * What the edited message now says, decrypted with the message's own secret. `addresses` are those of the person, number and LID: the key is
 * made from the address that was the writer's at the time, and may be either for the message and for the edit. Undefined when none of them
 * fits: another person's edit, or another message's secret.
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

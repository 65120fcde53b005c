import { WA_CERT_DETAILS } from '@whiskeysockets/baileys';

/**
 * Makes this process trust a simulator's root key (32 bytes, hex) instead of WhatsApp's, by copying it over the one Baileys checks
 * certificate chains against. Throws in every stage but `local`: elsewhere any server could pose as WhatsApp.
 */
export function trustRootKey(hex: string, stage: string): void {
  if (stage !== 'local') throw new Error(`WHATSAPP_ROOT_KEY can be set only in stage local, this is ${stage}`);
  const key = Buffer.from(hex, 'hex');
  if (!/^[0-9a-f]{64}$/i.test(hex)) throw new Error('WHATSAPP_ROOT_KEY must be 32 bytes in hex');
  key.copy(WA_CERT_DETAILS.PUBLIC_KEY);
}

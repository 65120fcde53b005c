/** An address: a user on `s.whatsapp.net` (phone number) or `lid` (hidden id), and which of the user's devices. */
export type Jid = { readonly user: string; readonly device: number; readonly server: string };

/** Parses an address. Returns undefined for other texts. */
export function parseJid(text: string | undefined): Jid | undefined {
  const match = /^([^:@_]+)(?:_\d+)?(?::(\d+))?@(.+)$/.exec(text ?? '');
  if (!match) return undefined;
  const [, user = '', device = '0', server = ''] = match;
  return { user, device: Number(device), server };
}

/** The address of a phone number's device; device 0 is the phone. */
export const numberJid = (number: string, device = 0): string =>
  `${number}${device ? `:${device}` : ''}@s.whatsapp.net`;

/** The hidden address of a device. */
export const lidJid = (lid: string, device = 0): string => `${lid}${device ? `:${device}` : ''}@lid`;

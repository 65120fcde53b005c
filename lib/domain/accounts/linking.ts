/** What WhatsApp said to the last request for a pairing code; `asked` is the tenant's wish (`Account.asked`) that it answers. */
export interface PairingRefusal {
  /** WhatsApp's error code; absent: it did not answer. */
  code?: number;
  asked?: number;
}

/** WhatsApp's code for too many requests. */
export const tooManyCodes = 429;

/** A phone demands a passkey, so the account cannot be linked with it. */
export const passkeySentence =
  'WhatsApp demands a passkey for linking this phone, which this version of Paceline cannot give yet; the code was taken down.';

/** Pure: why there is no pairing code, and what to do. */
export function pairingRefusalSentence({ code }: PairingRefusal): string {
  if (code === undefined) return `${refusedStart} was not answered; ask again, or scan the QR code.`;
  if (code === tooManyCodes) {
    return `${refusedStart} was refused (429): too many were asked for; wait some hours before you ask again, or scan the QR code.`;
  }
  return `${refusedStart} was refused (${code}): WhatsApp gives this number no code; check the number, or scan the QR code.`;
}

const refusedStart = "Paceline's request for a pairing code";
/** Those above, and one of an earlier version. */
const linkingStarts = [refusedStart, 'WhatsApp demands a passkey'];

/** Pure: the account's warnings with this one about linking in place of earlier ones; undefined: without any. */
export function withLinkingWarning(warnings: readonly string[], warning: string | undefined): string[] {
  const others = warnings.filter((one) => !linkingStarts.some((start) => one.startsWith(start)));
  return warning === undefined ? others : [...others, warning];
}

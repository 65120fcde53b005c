/** WhatsApp's refusal of the last request for a pairing code. `asked` is `Account.asked` of that request. */
export interface PairingRefusal {
  /** WhatsApp's error code. Absent: WhatsApp did not answer. */
  code?: number;
  asked?: number;
}

/** WhatsApp's code for too many requests. */
export const tooManyCodes = 429;

/** The sentence for a phone that demands a passkey. Such a phone cannot be linked yet. */
export const passkeySentence =
  'WhatsApp demands a passkey for linking this phone, which this version of Paceline does not support; the code is no longer shown.';

/** Returns a sentence about why there is no pairing code, and what to do. Pure. */
export function pairingRefusalSentence({ code }: PairingRefusal): string {
  if (code === undefined) return `${refusedStart} was not answered; ask again, or scan the QR code.`;
  if (code === tooManyCodes) {
    return `${refusedStart} was refused (429): too many were asked for; wait some hours before you ask again, or scan the QR code.`;
  }
  return `${refusedStart} was refused (${code}): WhatsApp gives this number no code; check the number, or scan the QR code.`;
}

const refusedStart = "Paceline's request for a pairing code";
/** The beginnings of warnings about linking, of this and earlier versions. */
const linkingStarts = [refusedStart, 'WhatsApp demands a passkey'];

/** Returns the account's warnings with `warning` as the only one about linking; without any if it is undefined. Pure. */
export function withLinkingWarning(warnings: readonly string[], warning: string | undefined): string[] {
  const others = warnings.filter((one) => !linkingStarts.some((start) => one.startsWith(start)));
  return warning === undefined ? others : [...others, warning];
}

/**
 * A person, known by number, by LID (WhatsApp's hidden id), or by both, each as digits. `otherNumber` is WhatsApp's answer to a look-up of
 * `phoneNumber`; absent if it was a spelling of `phoneNumber`.
 */
export interface Person {
  phoneNumber?: string;
  otherNumber?: string;
  lid?: string;
}

/** The address of a person known only by LID, in answers and in calls: `lid:` and the digits of the LID. */
export const lidForm = /^lid:(\d{5,20})$/;

/** Returns the address for answers and keys: the digits of the number, else `lid:` and the LID. */
export function addressOf({ phoneNumber, lid }: Person): string {
  return phoneNumber ?? `lid:${lid ?? ''}`;
}

/** Returns every address of a person: each spelling of the numbers, the given spelling first, then `lid:` and the LID. */
export function addressesOf({ phoneNumber, otherNumber, lid }: Person): string[] {
  const numbers = [phoneNumber, otherNumber].flatMap((number) => (number === undefined ? [] : spellingsOf(number)));
  return [...numbers, ...(lid === undefined ? [] : [`lid:${lid}`])];
}

/** Returns the person at an address that `addressOf` made. */
export function personAt(address: string): Person {
  const lid = lidForm.exec(address)?.[1];
  return lid === undefined ? { phoneNumber: address } : { lid };
}

/**
 * WhatsApp shows some people under a spelling of their number that the numbering plan does not know, or under both spellings. Brazilian mobile
 * numbers come with and without the ninth digit. Mexican ones have or lack a 1 after 52, Argentine ones a 9 after 54. `plan` is the form of the
 * numbering plan, `other` the second form. Each pattern captures the part before the extra digit, then the rest.
 */
const twoSpellings: readonly { plan: RegExp; other: RegExp; toOther: string; toPlan: string }[] = [
  // Without the ninth digit a mobile number begins with 6 to 9. Numbers that begin with 2 to 5 are landlines of other people.
  { plan: /^(55[1-9]\d)9([6-9]\d{7})$/, other: /^(55[1-9]\d)([6-9]\d{7})$/, toOther: '$1$2', toPlan: '$19$2' },
  { plan: /^(52)([2-9]\d{9})$/, other: /^(52)1([2-9]\d{9})$/, toOther: '$11$2', toPlan: '$1$2' },
  { plan: /^(54)9([1-3]\d{9})$/, other: /^(54)([1-3]\d{9})$/, toOther: '$1$2', toPlan: '$19$2' },
];

/** Returns every spelling of a number, the given one first: one or two. `digits`: international, without plus. */
export function spellingsOf(digits: string): [string, ...string[]] {
  const other = otherSpelling(digits);
  return other === undefined ? [digits] : [digits, other];
}

/** Returns the spelling of the numbering plan. It is equal for all spellings of a number. `digits`: international, without plus. */
export function planNumber(digits: string): string {
  for (const { other, toPlan } of twoSpellings) if (other.test(digits)) return digits.replace(other, toPlan);
  return digits;
}

/** Returns whether two numbers (digits) are spellings of the same number. */
export function isSameNumber(one: string, other: string): boolean {
  return planNumber(one) === planNumber(other);
}

function otherSpelling(digits: string): string | undefined {
  for (const { plan, other, toOther, toPlan } of twoSpellings) {
    if (plan.test(digits)) return digits.replace(plan, toOther);
    if (other.test(digits)) return digits.replace(other, toPlan);
  }
  return undefined;
}

/**
 * A person as far as known: by number, by LID (WhatsApp's hidden id), or by both; each as digits. `otherNumber`: the number that WhatsApp
 * answered with when it was asked for `phoneNumber`, where that is no spelling of it.
 */
export interface Person {
  phoneNumber?: string;
  otherNumber?: string;
  lid?: string;
}

/** A person known by LID alone, as answers print such a person and as calls take one: `lid:` and the digits of the LID. */
export const lidForm = /^lid:(\d{5,20})$/;

/** The address that answers print and keys are made of: digits of the number, else `lid:` and the LID. */
export function addressOf({ phoneNumber, lid }: Person): string {
  return phoneNumber ?? `lid:${lid ?? ''}`;
}

/** Every address under which a person may appear: each spelling of the number, the given one first, and `lid:` and the LID. */
export function addressesOf({ phoneNumber, otherNumber, lid }: Person): string[] {
  const numbers = [phoneNumber, otherNumber].flatMap((number) => (number === undefined ? [] : spellingsOf(number)));
  return [...numbers, ...(lid === undefined ? [] : [`lid:${lid}`])];
}

/** The person behind an address as `addressOf` prints it. */
export function personAt(address: string): Person {
  const lid = lidForm.exec(address)?.[1];
  return lid === undefined ? { phoneNumber: address } : { lid };
}

/**
 * WhatsApp shows some people under a number that their country's numbering plan does not know, or under both: Brazilian mobile numbers
 * with and without the ninth digit, Mexican ones with and without a 1 behind 52, Argentine ones with and without a 9 behind 54.
 * `plan` is the numbering plan's form, `other` the second one; each pattern captures country and area, then the rest.
 */
const twoSpellings: readonly { plan: RegExp; other: RegExp; toOther: string; toPlan: string }[] = [
  // Without the ninth digit a mobile number begins with 6 to 9; 2 to 5 are landlines, who are other people.
  { plan: /^(55[1-9]\d)9([6-9]\d{7})$/, other: /^(55[1-9]\d)([6-9]\d{7})$/, toOther: '$1$2', toPlan: '$19$2' },
  { plan: /^(52)([2-9]\d{9})$/, other: /^(52)1([2-9]\d{9})$/, toOther: '$11$2', toPlan: '$1$2' },
  { plan: /^(54)9([1-3]\d{9})$/, other: /^(54)([1-3]\d{9})$/, toOther: '$1$2', toPlan: '$19$2' },
];

/** Every spelling of one person's number, the given one first: one, or two where WhatsApp knows two. `digits`: international, without plus. */
export function spellingsOf(digits: string): [string, ...string[]] {
  const other = otherSpelling(digits);
  return other === undefined ? [digits] : [digits, other];
}

/** The spelling that the numbering plan knows: equal for all spellings of one person's number. `digits`: international, without plus. */
export function planNumber(digits: string): string {
  for (const { other, toPlan } of twoSpellings) if (other.test(digits)) return digits.replace(other, toPlan);
  return digits;
}

/** Whether two numbers (digits) are spellings of one. */
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

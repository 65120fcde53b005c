import { isValidPhoneNumber } from 'libphonenumber-js/max';

/** Distinct valid North American numbers from the range kept for fiction (555-0100 to 555-0199 of every area), about 40,000 at most. */
export function fictionalNumbers(count: number): string[] {
  const numbers: string[] = [];
  for (let area = 201; area < 990 && numbers.length < count; area++) {
    if (!isValidPhoneNumber(`+1${area}5550100`)) continue;
    for (let last = 0; last < 100 && numbers.length < count; last++)
      numbers.push(`1${area}55501${String(last).padStart(2, '0')}`);
  }
  if (numbers.length < count) throw new Error(`There are only ${numbers.length} such numbers.`);
  return numbers;
}

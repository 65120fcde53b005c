/** One line that says whether an aim is reached. `value` and `aim` are in the same unit; less is better; no number is a miss. */
export function verdict(what: string, value: number, aim: number, unit = ''): boolean {
  const reached = Number.isFinite(value) && value <= aim;
  const shown = Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2);
  console.log(`${reached ? 'PASS' : 'MISSED'}  ${what}: ${shown}${unit}, aim ${aim}${unit} or less`);
  return reached;
}

/** The middle one of the values; NaN of none. */
export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[sorted.length / 2 - 1] ?? Number.NaN)) / 2;
}

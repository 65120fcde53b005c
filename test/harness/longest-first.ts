import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The files that take longest, which a fresh clone has not measured yet. */
const longest = /every-event|chaos\/(kills|short|freeze)\.system/;

/**
 * Starts what takes longest first, so that the run does not end with one busy worker. System tests use the processor and host tests mostly
 * wait: the two are mixed, so that the workers do not compete all the time. Within a layer, the order is that of vitest: failed and long files first.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const of = (...layers: string[]) => sorted.filter(({ project }) => layers.includes(project.name));
    const system = of('system', 'infra').toSorted((a, b) => Number(isLongest(b)) - Number(isLongest(a)));
    const runs = mixed(
      system.map((file) => [file]),
      inRuns(of('host')),
    );
    return [...runs.flat(), ...of('store'), ...of('unit')];
  }
}

const isLongest = ({ moduleId }: TestSpecification) => longest.test(moduleId);

/** Returns a list in runs of four: a worker keeps what it has loaded only when the next file is of the same layer. */
function inRuns<T>(list: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(list.length / 4) }, (_, at) => list.slice(4 * at, 4 * at + 4));
}

/** Returns both lists as one. Each is spread evenly over the result and keeps its order. */
function mixed<T>(one: readonly T[], other: readonly T[]): T[] {
  const placed = [one, other].flatMap((list) => list.map((item, at) => ({ item, place: (at + 0.5) / list.length })));
  return placed.toSorted((a, b) => a.place - b.place).map(({ item }) => item);
}

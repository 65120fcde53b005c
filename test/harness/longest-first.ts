import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The files that take longest, which a fresh clone has not measured yet. */
const longest = /every-event|chaos\/(kills|short|freeze)\.system/;
/** System tests of a minute or so, which load the processor. */
const long = /\/test\/(chaos|flow)\//;

/**
 * Starts what takes longest first, so that the run does not end with one busy worker. Long system tests use the processor and host tests mostly wait:
 * the two are mixed, so that the workers do not compete all the time. Other layers stay together, because a worker keeps what it has loaded only
 * when the next file is of the same layer. Within a layer, the order is that of vitest: failed and long files first.
 */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const of = (layer: string) => sorted.filter(({ project }) => project.name === layer);
    const system = of('system').toSorted((a, b) => Number(longest.test(b.moduleId)) - Number(longest.test(a.moduleId)));
    const isLong = ({ moduleId }: TestSpecification) => long.test(moduleId);
    const runs = mixed(
      system.filter(isLong).map((file) => [file]),
      inRuns(of('host')),
    );
    return [...runs.flat(), ...system.filter((file) => !isLong(file)), ...of('infra'), ...of('store'), ...of('unit')];
  }
}

/** Returns a list in runs of four. */
function inRuns<T>(list: readonly T[]): T[][] {
  return Array.from({ length: Math.ceil(list.length / 4) }, (_, at) => list.slice(4 * at, 4 * at + 4));
}

/** Returns both lists as one. Each is spread evenly over the result and keeps its order. */
function mixed<T>(one: readonly T[], other: readonly T[]): T[] {
  const placed = [one, other].flatMap((list) => list.map((item, at) => ({ item, place: (at + 0.5) / list.length })));
  return placed.toSorted((a, b) => a.place - b.place).map(({ item }) => item);
}

import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Layers, those with the longest files first, so that no worker runs a long file alone at the end. */
const order = ['system', 'infra', 'host', 'store', 'unit'];

/** Starts the layers whose files take longest first; within a layer, the order is that of vitest: failed and long files first. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => order.indexOf(a.project.name) - order.indexOf(b.project.name));
  }
}

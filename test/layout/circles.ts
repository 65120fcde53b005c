import { describe, expect, it } from 'vitest';
import { importsOf, nameOf, productLayers, sources } from './sources.ts';

type Graph = Map<string, Set<string>>;

/** Returns each group of nodes that reach each other, by the algorithm of Tarjan. */
function circles(graph: Graph): string[][] {
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const found: string[][] = [];
  const visit = (node: string): void => {
    order.set(node, order.size);
    lowest.set(node, order.size - 1);
    open.push(node);
    for (const next of graph.get(node) ?? []) {
      if (!order.has(next)) visit(next);
      else if (!open.includes(next)) continue;
      lowest.set(node, Math.min(lowest.get(node) ?? 0, lowest.get(next) ?? 0));
    }
    if (lowest.get(node) !== order.get(node)) return;
    const circle = open.splice(open.indexOf(node));
    if (circle.length > 1) found.push(circle.sort());
  };
  for (const node of graph.keys()) if (!order.has(node)) visit(node);
  return found;
}

/** The imports of the product, type-only ones included: a type that leads back is a circle for the reader too. */
function importGraph(nodeOf: (name: string) => string): Graph {
  const graph: Graph = new Map();
  for (const file of productLayers.flatMap(sources)) {
    const from = nodeOf(nameOf(file));
    const targets = importsOf(file)
      .map(({ target }) => target)
      .filter((target) => productLayers.some((layer) => target.startsWith(`${layer}/`)))
      .map(nodeOf)
      .filter((target) => target !== from);
    graph.set(from, new Set([...(graph.get(from) ?? []), ...targets]));
  }
  return graph;
}

/** Functions of one folder: functions/api has folders of its own. */
const flat = /^functions\/(?!api\/)/;

/** Returns the second-level folder of a file, e.g. `lib/aws/accounts`; a file directly in a layer stands for itself. */
function folderOf(name: string): string {
  const depth = name.startsWith('socket-host/') || flat.test(name) ? 2 : 3;
  return name.split('/').slice(0, depth).join('/');
}

describe('circles', () => {
  it('do not exist between files', () => {
    const found = circles(importGraph((name) => name));
    expect(found).toEqual([]);
  });

  it('do not exist between folders', () => {
    const found = circles(importGraph(folderOf));
    expect(found).toEqual([]);
  });

  it('are found where they exist', () => {
    const graph: Graph = new Map([
      ['a', new Set(['b', 'd'])],
      ['b', new Set(['c'])],
      ['c', new Set(['a'])],
      ['d', new Set()],
    ]);
    expect(circles(graph)).toEqual([['a', 'b', 'c']]);
  });
});

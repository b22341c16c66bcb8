import { consumedBy } from './graph-view.js';
import type { NodeProto } from './proto/index.js';

/** The nodes that some outputs need, each after those that it takes values from. */
export function liveNodes(nodes: readonly NodeProto[], outputs: readonly string[]): NodeProto[] {
  const producers = new Map<string, NodeProto>();
  for (const node of nodes) for (const name of node.output) if (name !== '') producers.set(name, node);
  const sorted = new Set<NodeProto>();
  const entered = new Set<NodeProto>();
  const stack = outputs.map((name) => producers.get(name)).filter((node) => node !== undefined);
  // depth first, without recursion: a graph is thousands of nodes deep
  for (let node = stack.at(-1); node !== undefined; node = stack.at(-1)) {
    const needed = [...consumedBy(node)]
      .map((name) => producers.get(name))
      .filter((producer) => producer !== undefined && !entered.has(producer)) as NodeProto[];
    if (entered.has(node) || needed.length === 0) {
      entered.add(node);
      sorted.add(node);
      stack.pop();
    } else {
      entered.add(node);
      stack.push(...needed);
    }
  }
  return [...sorted];
}

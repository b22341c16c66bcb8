import { intersect } from './characters.js';
import type { Network, NetworkNode } from './network.js';
import { GrammarError, type Range } from './pattern.js';

/** The same without the bytes that the model can't write by themselves. */
export function keepWritable(
  nodes: readonly NetworkNode[],
  writable: readonly Range[],
): readonly NetworkNode[] {
  const missing = Array.from({ length: 256 }, (_, byte): Range => [byte, byte]).filter(
    ([byte]) => !writable.some(([low, high]) => low <= byte && byte <= high),
  );
  if (missing.length === 0) return nodes; // mostly
  return nodes.map((node) => ({
    ...node,
    bytes: node.bytes.map(({ ranges, to }) => ({ ranges: intersect(ranges, writable), to })),
  }));
}

/** The same without what leads to no end of its rule: a text must not come to where nothing goes on. */
export function withoutDeadEnds(nodes: readonly NetworkNode[]): readonly NetworkNode[] {
  const alive = new Uint8Array(nodes.length);
  /** By node: who leads on if it does, provided that the node behind it does, too. */
  const before = nodes.map((): number[] => []);
  const open: number[] = [];
  const reach = (node: number): void => {
    if (alive[node]) return;
    alive[node] = 1;
    open.push(node);
  };
  nodes.forEach(({ free, bytes, calls, end }, node) => {
    for (const to of free) before[to]?.push(node, to);
    for (const { ranges, to } of bytes) if (ranges.length > 0) before[to]?.push(node, to);
    for (const { start, to } of calls) {
      before[to]?.push(node, start);
      before[start]?.push(node, to);
    }
    if (end) reach(node);
  });
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    const pairs = before[node] as number[];
    for (let i = 0; i < pairs.length; i += 2) if (alive[pairs[i + 1] as number]) reach(pairs[i] as number);
  }
  if (
    alive.every((one) => one === 1) &&
    nodes.every(({ bytes }) => bytes.every(({ ranges }) => ranges.length > 0))
  )
    return nodes; // mostly
  return nodes.map(({ free, bytes, calls, end }) => ({
    free: free.filter((to) => alive[to]),
    bytes: bytes.filter(({ ranges, to }) => ranges.length > 0 && alive[to]),
    calls: calls.filter(({ start, to }) => alive[start] && alive[to]),
    end,
  }));
}

/**
 * @param starts first nodes of rules
 * @throws GrammarError for a rule that begins with itself
 */
export function heightsOf(nodes: readonly NetworkNode[], starts: readonly number[]): Map<number, number> {
  const heights = new Map<number, number>();
  const under = new Set<number>();
  const visit = (start: number): number => {
    const known = heights.get(start);
    if (known !== undefined) return known;
    if (under.has(start)) throw new GrammarError('a $ref in it leads back to itself');
    under.add(start);
    let height = 0;
    for (const called of calledFirst(nodes, start)) height = Math.max(height, visit(called) + 1);
    heights.set(start, height);
    return height;
  };
  for (const start of starts) visit(start);
  return heights;
}

/** Rules that can come first in a rule. */
function calledFirst(nodes: readonly NetworkNode[], start: number): Set<number> {
  const called = new Set<number>();
  const seen = new Set([start]);
  for (const node of seen) {
    const { free, calls } = nodes[node] as NetworkNode;
    for (const to of free) seen.add(to); // read by this loop, too
    for (const call of calls) called.add(call.start);
  }
  return called;
}

export function classifyBytes(nodes: readonly NetworkNode[]): Pick<Network, 'classOf' | 'representatives'> {
  const cuts = new Uint8Array(257);
  for (const { bytes } of nodes) {
    for (const { ranges } of bytes) {
      for (const [low, high] of ranges) {
        cuts[low] = 1;
        cuts[high + 1] = 1;
      }
    }
  }
  const classOf = new Uint8Array(256);
  const representatives = [0];
  for (let value = 1; value < 256; value++) {
    if (cuts[value]) representatives.push(value);
    classOf[value] = representatives.length - 1;
  }
  return { classOf, representatives };
}

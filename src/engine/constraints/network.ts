import { GrammarError, type Grammar, type Member, type Pattern, type Range } from './pattern.js';

/** A grammar as a graph: within a rule an automaton, whose edges may be whole rules. */
export interface Network {
  readonly nodes: readonly NetworkNode[];
  readonly start: number;
  /** Class of each byte: bytes of one class are on the same edges. */
  readonly classOf: Uint8Array;
  /** One byte of each class. */
  readonly representatives: readonly number[];
}

export interface NetworkNode {
  readonly free: number[];
  readonly bytes: { readonly ranges: readonly Range[]; readonly to: number }[];
  readonly calls: { readonly start: number; readonly to: number }[];
  /** A rule ends here. */
  end: boolean;
}

/** 60,000 nodes take about 20 ms to build. */
const MOST_NODES = 60_000;

/** @throws GrammarError if it is too large */
export function buildNetwork(grammar: Grammar): Network {
  const builder = new NetworkBuilder(grammar);
  const { nodes } = builder;
  return { nodes, start: builder.startOf(grammar.root), ...classifyBytes(nodes) };
}

class NetworkBuilder {
  readonly nodes: NetworkNode[] = [];
  readonly #starts = new Map<string, number>();

  constructor({ rules }: Grammar) {
    for (const name of rules.keys()) this.#starts.set(name, this.#node());
    for (const [name, pattern] of rules) {
      const end = this.#node();
      this.#at(end).end = true;
      this.#build(pattern, this.startOf(name), end);
    }
  }

  startOf(name: string): number {
    const start = this.#starts.get(name);
    if (start === undefined) throw new Error(`There is no rule '${name}'.`);
    return start;
  }

  #node(): number {
    if (this.nodes.length === MOST_NODES) throw new GrammarError('it is too large');
    this.nodes.push({ free: [], bytes: [], calls: [], end: false });
    return this.nodes.length - 1;
  }

  #at(node: number): NetworkNode {
    return this.nodes[node] as NetworkNode;
  }

  #build(pattern: Pattern, from: number, to: number): void {
    switch (pattern.kind) {
      case 'byte':
        this.#at(from).bytes.push({ ranges: pattern.ranges, to });
        return;
      case 'rule':
        this.#at(from).calls.push({ start: this.startOf(pattern.name), to });
        return;
      case 'choice':
        for (const option of pattern.options) this.#build(option, from, to);
        return;
      case 'sequence':
        return this.#buildSequence(pattern.parts, from, to);
      case 'repeat':
        return this.#buildRepeat(pattern, from, to);
      case 'members':
        return this.#buildMembers(pattern, from, to);
      default:
        return pattern satisfies never;
    }
  }

  #buildSequence(parts: readonly Pattern[], from: number, to: number): void {
    const last = parts.at(-1);
    if (!last) {
      this.#at(from).free.push(to);
      return;
    }
    this.#build(last, this.#chain(parts.slice(0, -1), from), to);
  }

  #chain(parts: readonly Pattern[], from: number): number {
    return parts.reduce((at, part) => {
      const next = this.#node();
      this.#build(part, at, next);
      return next;
    }, from);
  }

  #buildRepeat({ part, least, most }: Extract<Pattern, { kind: 'repeat' }>, from: number, to: number): void {
    let at = from;
    for (let i = 0; i < least; i++) at = this.#chain([part], at);
    if (most === Infinity) {
      // a node of its own, into which nothing but the loop leads
      const loop = this.#node();
      this.#at(at).free.push(loop);
      this.#at(this.#chain([part], loop)).free.push(loop);
      this.#at(loop).free.push(to);
      return;
    }
    // the end is one step from each of them, not a way through all others
    for (let i = least; i < most; i++) {
      this.#at(at).free.push(to);
      at = this.#chain([part], at);
    }
    this.#at(at).free.push(to);
  }

  /** Two rows of nodes: before an item with nothing written, and with something written, which needs a comma. */
  #buildMembers(pattern: Extract<Pattern, { kind: 'members' }>, from: number, to: number): void {
    const { items, rest, comma } = pattern;
    let empty = this.#chain([], from);
    let some = this.#node();
    const add = ({ pattern: item, optional }: Member): void => {
      const next = { empty: this.#node(), some: this.#node() };
      this.#build(item, empty, next.some);
      this.#build({ kind: 'sequence', parts: [comma, item] }, some, next.some);
      if (optional) {
        this.#at(empty).free.push(next.empty);
        this.#at(some).free.push(next.some);
      }
      ({ empty, some } = next);
    };
    for (const item of items) add(item);
    if (rest) {
      this.#build(rest, empty, some);
      this.#build({ kind: 'sequence', parts: [comma, rest] }, some, some);
    }
    this.#at(empty).free.push(to);
    this.#at(some).free.push(to);
  }
}

function classifyBytes(nodes: readonly NetworkNode[]): Pick<Network, 'classOf' | 'representatives'> {
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

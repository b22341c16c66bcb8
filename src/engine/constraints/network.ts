import { GrammarError, type Grammar, type Member, type Pattern, type Range } from './pattern.js';
import { classifyBytes, heightsOf, keepWritable, withoutDeadEnds } from './network-passes.js';

/** A grammar as a graph: within a rule an automaton, whose edges may be whole rules. Every node leads to an end. */
export interface Network {
  readonly nodes: readonly NetworkNode[];
  readonly start: number;
  /** By the first node of a rule: greater than that of every rule that it can begin with. */
  readonly heights: ReadonlyMap<number, number>;
  /** Class of each byte: bytes of one class are on the same edges. */
  readonly classOf: Uint8Array;
  /** One byte of each class. */
  readonly representatives: readonly number[];
}

export interface NetworkNode {
  /** What is reached without a byte. */
  readonly free: readonly number[];
  readonly bytes: readonly { readonly ranges: readonly Range[]; readonly to: number }[];
  readonly calls: readonly { readonly start: number; readonly to: number }[];
  /** A rule ends here. */
  readonly end: boolean;
}

interface OpenNode {
  readonly free: number[];
  readonly bytes: { readonly ranges: readonly Range[]; readonly to: number }[];
  readonly calls: { readonly start: number; readonly to: number }[];
  end: boolean;
}

/** 60,000 nodes take about 20 ms to build. */
const MOST_NODES = 60_000;

/**
 * @param writable bytes that are tokens by themselves: with no others in it, no text can come to where no token goes on
 * @throws GrammarError if it is too large, no text can satisfy it, or a rule begins with itself: reading that would not come to an end
 */
export function buildNetwork(grammar: Grammar, writable: readonly Range[]): Network {
  const built = new NetworkBuilder(grammar);
  const start = built.startOf(grammar.root);
  const nodes = withoutDeadEnds(keepWritable(built.nodes, writable));
  if (isDead(nodes[start] as NetworkNode)) {
    const isDeadAnyway = isDead(withoutDeadEnds(built.nodes)[start] as NetworkNode);
    throw new GrammarError(
      isDeadAnyway ? 'no JSON can satisfy it' : "no JSON that the model's tokens can write satisfies it",
    );
  }
  return { nodes, start, heights: heightsOf(nodes, built.starts), ...classifyBytes(nodes) };
}

/** @throws GrammarError if it is too large */
export function nodesOf(pattern: Pattern): {
  readonly nodes: readonly NetworkNode[];
  readonly start: number;
} {
  const built = new NetworkBuilder({ rules: new Map([['root', pattern]]) });
  return { nodes: built.nodes, start: built.startOf('root') };
}

function isDead({ free, bytes, calls, end }: NetworkNode): boolean {
  return free.length + bytes.length + calls.length === 0 && !end;
}

class NetworkBuilder {
  readonly nodes: OpenNode[] = [];
  readonly #starts = new Map<string, number>();

  constructor({ rules }: Pick<Grammar, 'rules'>) {
    for (const name of rules.keys()) this.#starts.set(name, this.#node());
    for (const [name, pattern] of rules) {
      const end = this.#node();
      this.#at(end).end = true;
      this.#build(pattern, this.startOf(name), end);
    }
  }

  get starts(): number[] {
    return [...this.#starts.values()];
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

  #at(node: number): OpenNode {
    return this.nodes[node] as OpenNode;
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
      case 'graph':
        return this.#buildGraph(pattern, from, to);
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
    let empty = from;
    let some = this.#node();
    const add = ({ pattern: item, optional }: Member): void => {
      const [begin, next] = [this.#node(), { empty: this.#node(), some: this.#node() }];
      this.#at(empty).free.push(begin);
      this.#build(comma, some, begin);
      this.#build(item, begin, next.some);
      if (optional) {
        this.#at(empty).free.push(next.empty);
        this.#at(some).free.push(next.some);
      }
      ({ empty, some } = next);
    };
    for (const item of items) add(item);
    if (rest) {
      const begin = this.#node();
      this.#at(empty).free.push(begin);
      this.#build(comma, some, begin);
      this.#build(rest, begin, some);
    }
    this.#at(empty).free.push(to);
    this.#at(some).free.push(to);
  }

  #buildGraph({ states }: Extract<Pattern, { kind: 'graph' }>, from: number, to: number): void {
    const places = states.map(() => this.#node());
    this.#at(from).free.push(places[0] as number);
    states.forEach(({ edges, final }, i) => {
      const place = places[i] as number;
      if (final) this.#at(place).free.push(to);
      for (const edge of edges) this.#build(edge.pattern, place, places[edge.to] as number);
    });
  }
}

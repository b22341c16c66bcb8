import { nodesOf, type NetworkNode } from './network.js';
import { EMPTY, type GraphState, type Pattern, type Range } from './pattern.js';
import type { Rules } from './rules.js';

/** A pattern of so few nodes stays as it is if it had more states than these: so few places in it are soon looked at. */
const FEW_NODES = 128;
const FEW_STATES = 1024;

interface Subset {
  readonly id: number;
  readonly nodes: readonly number[];
}

/**
 * The same texts by a graph in which every character leads to one state: whatever the pattern leaves open, a text is only ever
 * at one place in it. A small pattern for which that graph would be large stays as it is.
 * @param pattern of characters, without rules
 * @param write the bytes of one character out of a set
 * @throws GrammarError if it would be too large
 */
export function deterministic(
  pattern: Pattern,
  write: (set: readonly Range[]) => Pattern,
  rules: Rules,
): Pattern {
  return new SubsetConstruction(pattern, rules).run(write);
}

class SubsetConstruction {
  readonly #nodes: readonly NetworkNode[];
  readonly #start: number;
  readonly #known = new Map<string, Subset>();
  readonly #open: Subset[] = [];
  readonly #rules: Rules;

  constructor(pattern: Pattern, rules: Rules) {
    const { nodes, start } = nodesOf(pattern);
    this.#rules = rules;
    this.#nodes = nodes;
    this.#start = start;
  }

  run(write: (set: readonly Range[]) => Pattern): Pattern {
    const states: GraphState[] = [];
    const most = this.#nodes.length <= FEW_NODES ? FEW_STATES : Infinity;
    this.#subsetOf([this.#start]);
    for (let i = 0; i < this.#open.length; i++) {
      if (i === most) return this.#asItIs(write);
      const { nodes } = this.#open[i] as Subset;
      const edges = this.#edges(nodes).map(({ set, to }) => ({ pattern: write(set), to }));
      states.push({ edges, final: nodes.some((node) => this.#nodes[node]?.end) });
    }
    return { kind: 'graph', states };
  }

  #asItIs(write: (set: readonly Range[]) => Pattern): Pattern {
    const states = this.#nodes.map(({ free, bytes, end }) => ({
      edges: [
        ...free.map((to) => ({ pattern: EMPTY, to })),
        ...bytes.map(({ ranges, to }) => ({ pattern: write(ranges), to })),
      ],
      final: end,
    }));
    // state 0 is the first node of the only rule
    return { kind: 'graph', states };
  }

  /** Cuts the characters where an edge begins or ends: between two cuts all lead to the same nodes. */
  #edges(nodes: readonly number[]): { readonly set: Range[]; readonly to: number }[] {
    const parts = nodes.flatMap((node) =>
      (this.#nodes[node] as NetworkNode).bytes.flatMap(({ ranges, to }) =>
        ranges.map(([low, high]) => ({ low, high, to })),
      ),
    );
    const cuts = [...new Set(parts.flatMap(({ low, high }) => [low, high + 1]))].toSorted((a, b) => a - b);
    const sets = new Map<number, Range[]>();
    cuts.slice(0, -1).forEach((low, i) => {
      this.#rules.count(parts.length);
      const reached = parts.filter((part) => part.low <= low && low <= part.high);
      if (reached.length === 0) return;
      const { id } = this.#subsetOf(reached.map(({ to }) => to));
      const set = sets.get(id) ?? [];
      sets.set(id, set);
      const last = set.at(-1);
      const high = (cuts[i + 1] as number) - 1;
      if (last?.[1] === low - 1) set[set.length - 1] = [last[0], high];
      else set.push([low, high]);
    });
    return [...sets].map(([to, set]) => ({ set, to }));
  }

  /** With what is reached without a character. */
  #subsetOf(from: readonly number[]): Subset {
    const seen = new Set(from);
    for (const node of seen) {
      this.#rules.count(1);
      for (const to of this.#nodes[node]?.free ?? []) seen.add(to); // read by this loop, too
    }
    const nodes = [...seen].toSorted((a, b) => a - b);
    const key = nodes.join();
    let subset = this.#known.get(key);
    if (!subset) {
      subset = { id: this.#open.length, nodes };
      this.#known.set(key, subset);
      this.#open.push(subset);
    }
    return subset;
  }
}

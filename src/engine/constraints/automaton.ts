import type { Network, NetworkNode } from './network.js';
import { GrammarError } from './pattern.js';

/** The nodes to return to when the rules under way end, innermost first. */
interface Stack {
  readonly id: number;
  readonly returnTo: number;
  readonly outer: Stack | undefined;
  readonly inner: Map<number, Stack>;
}

interface Position {
  readonly node: number;
  readonly stack: Stack;
}

/** All positions in the grammar that the text so far can have led to. */
export class State {
  /** By byte class; null: no text goes on so; undefined: not yet known. */
  readonly next: (State | null | undefined)[] = [];

  constructor(
    readonly positions: readonly Position[],
    /** The text may end here. */
    readonly accepting: boolean,
  ) {}
}

/** Where many positions are possible each byte is slow; a grammar made for that isn't run. */
const MOST_POSITIONS = 4096;
/** After so many states they are forgotten and found anew: a text of nested lists has ever new ones. */
const MOST_STATES = 8192;

/**
 * A grammar as it is run, byte by byte. States are sets of positions, found when a text first comes there and kept, so that
 * a byte costs two look-ups mostly. Nothing is computed ahead: a schema costs as much as the texts that come by.
 */
export class Automaton {
  readonly classOf: Uint8Array;
  readonly #network: Network;
  readonly #states = new Map<string, State>();
  readonly #edges: NetworkNode['bytes'][];
  #start: State;
  #stacks = 0;

  constructor(network: Network) {
    this.#network = network;
    this.classOf = network.classOf;
    this.#edges = network.nodes.map(({ bytes }) => bytes);
    this.#start = this.#first();
  }

  get start(): State {
    return this.#start;
  }

  /** @returns undefined if no text of the grammar goes on with a byte of this class */
  step(state: State, byteClass: number): State | undefined {
    const known = state.next[byteClass];
    if (known !== undefined) return known ?? undefined;
    const value = this.#network.representatives[byteClass] as number;
    const positions: Position[] = [];
    for (const { node, stack } of state.positions) {
      for (const { ranges, to } of this.#edges[node] as NetworkNode['bytes']) {
        if (ranges.some(([low, high]) => low <= value && value <= high)) positions.push({ node: to, stack });
      }
    }
    const next = positions.length > 0 ? this.#stateOf(positions) : null;
    state.next[byteClass] = next;
    return next ?? undefined;
  }

  #first(): State {
    const bottom = { id: this.#stacks++, returnTo: -1, outer: undefined, inner: new Map<number, Stack>() };
    return this.#stateOf([{ node: this.#network.start, stack: bottom }]);
  }

  #stateOf(from: readonly Position[]): State {
    const { positions, accepting } = this.#close(from);
    const key = `${accepting ? '!' : ''}${positions.map(({ node, stack }) => `${node}.${stack.id}`).join()}`;
    const known = this.#states.get(key);
    if (known) return known;
    if (this.#states.size >= MOST_STATES) this.#forget();
    const state = new State(positions, accepting);
    this.#states.set(key, state);
    return state;
  }

  /** Who is under way keeps its state, and what that leads to; new texts start anew. */
  #forget(): void {
    this.#states.clear();
    this.#start = this.#first();
  }

  /** Adds what is reached without a byte, and keeps the positions that a byte can lead on from. */
  #close(from: readonly Position[]): { positions: Position[]; accepting: boolean } {
    const seen = new Map<Stack, Set<number>>();
    const positions: Position[] = [];
    const open: Position[] = [];
    let accepting = false;
    let count = 0;
    const reach = (node: number, stack: Stack): void => {
      const nodes = seen.get(stack) ?? new Set();
      if (nodes.has(node)) return;
      seen.set(stack, nodes.add(node));
      if (++count > MOST_POSITIONS) throw new GrammarError('it leaves too many possibilities open');
      open.push({ node, stack });
    };
    for (const { node, stack } of from) reach(node, stack);
    for (let position = open.pop(); position; position = open.pop()) {
      const { stack } = position;
      const node = this.#network.nodes[position.node] as NetworkNode;
      if (node.bytes.length > 0) positions.push(position);
      for (const to of node.free) reach(to, stack);
      for (const { start, to } of node.calls) reach(start, this.#push(stack, to));
      if (!node.end) continue;
      if (stack.outer) reach(stack.returnTo, stack.outer);
      else accepting = true;
    }
    positions.sort((a, b) => a.node - b.node || a.stack.id - b.stack.id);
    return { positions, accepting };
  }

  #push(outer: Stack, returnTo: number): Stack {
    let stack = outer.inner.get(returnTo);
    if (!stack) {
      stack = { id: this.#stacks++, returnTo, outer, inner: new Map() };
      outer.inner.set(returnTo, stack);
    }
    return stack;
  }
}

import type { Network, NetworkNode } from './network.js';

/** A rule under way: where its callers go on when it ends. Callers that called it at the same place share it. */
interface Frame {
  readonly id: number;
  readonly returns: readonly Position[];
}

interface Position {
  readonly node: number;
  readonly frame: Frame;
}

/** All positions in the grammar that the text so far can have led to. */
export class State {
  /** By byte class; null: no text goes on so; undefined: not yet known. */
  readonly next: (State | null | undefined)[] = [];
  /** Which tokens may come, if that is known; see `Automaton.maskOf`. */
  mask: Int32Array | undefined;

  constructor(
    readonly positions: readonly Position[],
    /** The text may end here. */
    readonly accepting: boolean,
  ) {}
}

/** What a grammar may keep. Beyond, all is forgotten and found anew: a text of nested lists has ever new states. */
const MOST_BYTES = 32 * 2 ** 20;
/** Estimates, in bytes. */
const STATE_SIZE = 512;
const POSITION_SIZE = 64;

/**
 * A grammar as it is run, byte by byte. States are sets of positions, found when a text first comes there and kept, so that
 * a byte costs two look-ups mostly. Nothing is computed ahead: a schema costs as much as the texts that come by.
 */
export class Automaton {
  readonly classOf: Uint8Array;
  readonly #network: Network;
  readonly #states = new Map<string, State>();
  readonly #frames = new Map<string, Frame>();
  #start: State;
  #frameCount = 0;
  #bytes = 0;

  constructor(network: Network) {
    this.#network = network;
    this.classOf = network.classOf;
    this.#start = this.#first();
  }

  get start(): State {
    return this.#start;
  }

  /** What it keeps in memory, estimated, in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** @returns undefined if no text of the grammar goes on with a byte of this class */
  step(state: State, byteClass: number): State | undefined {
    const known = state.next[byteClass];
    if (known !== undefined) return known ?? undefined;
    const value = this.#network.representatives[byteClass] as number;
    const positions: Position[] = [];
    for (const { node, frame } of state.positions) {
      for (const { ranges, to } of this.#node(node).bytes) {
        if (ranges.some(([low, high]) => low <= value && value <= high)) positions.push({ node: to, frame });
      }
    }
    const next = positions.length > 0 ? this.#stateOf(positions) : null;
    state.next[byteClass] = next;
    return next ?? undefined;
  }

  maskOf(state: State, compute: () => Int32Array): Int32Array {
    if (state.mask) return state.mask;
    const mask = compute();
    this.#grow(mask.byteLength);
    state.mask = mask;
    return mask;
  }

  #node(node: number): NetworkNode {
    return this.#network.nodes[node] as NetworkNode;
  }

  #first(): State {
    return this.#stateOf([{ node: this.#network.start, frame: this.#frameOf([]) }]);
  }

  #stateOf(from: readonly Position[]): State {
    const { positions, accepting } = this.#close(from);
    const key = `${accepting ? '!' : ''}${keyOf(positions)}`;
    const known = this.#states.get(key);
    if (known) return known;
    this.#grow(STATE_SIZE + positions.length * POSITION_SIZE);
    const state = new State(positions, accepting);
    this.#states.set(key, state);
    return state;
  }

  #frameOf(callers: readonly Position[]): Frame {
    const returns = inOrder(callers);
    const key = keyOf(returns);
    let frame = this.#frames.get(key);
    if (!frame) {
      this.#grow(POSITION_SIZE * (returns.length + 1));
      frame = { id: this.#frameCount++, returns };
      this.#frames.set(key, frame);
    }
    return frame;
  }

  #grow(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes <= MOST_BYTES) return;
    // who is under way keeps its state, not what that led to
    for (const state of this.#states.values()) {
      state.next.length = 0;
      state.mask = undefined;
    }
    this.#states.clear();
    this.#frames.clear();
    this.#bytes = bytes;
    this.#start = this.#first();
  }

  /** Adds what is reached without a byte, and keeps the positions that a byte can lead on from. */
  #close(from: readonly Position[]): { positions: Position[]; accepting: boolean } {
    const closure = new Closure(this.#network);
    for (const { node, frame } of from) closure.reach(node, frame);
    closure.run();
    // callers before what they call: by then all of its callers are known
    for (let height = closure.calls.length - 1; height >= 0; height--) {
      for (const [start, callers] of closure.calls[height] as Map<number, Position[]>)
        closure.reach(start, this.#frameOf(callers));
      closure.run();
    }
    return { positions: inOrder(closure.positions), accepting: closure.accepting };
  }
}

class Closure {
  /** Those that a byte can lead on from. */
  readonly positions: Position[] = [];
  /** By height of the rule: rules that are to be begun, and where their callers go on. */
  readonly calls: Map<number, Position[]>[] = [];
  accepting = false;
  readonly #network: Network;
  readonly #seen = new Map<Frame, Set<number>>();
  readonly #open: Position[] = [];

  constructor(network: Network) {
    this.#network = network;
  }

  reach(node: number, frame: Frame): void {
    let nodes = this.#seen.get(frame);
    if (!nodes) this.#seen.set(frame, (nodes = new Set()));
    if (nodes.has(node)) return;
    nodes.add(node);
    this.#open.push({ node, frame });
  }

  run(): void {
    for (let position = this.#open.pop(); position; position = this.#open.pop()) {
      const { frame } = position;
      const node = this.#network.nodes[position.node] as NetworkNode;
      if (node.bytes.length > 0) this.positions.push(position);
      for (const to of node.free) this.reach(to, frame);
      for (const { start, to } of node.calls) this.#call(start, { node: to, frame });
      if (!node.end) continue;
      if (frame.returns.length === 0) this.accepting = true;
      for (const caller of frame.returns) this.reach(caller.node, caller.frame);
    }
  }

  #call(start: number, caller: Position): void {
    const height = this.#network.heights.get(start) as number;
    for (let i = this.calls.length; i <= height; i++) this.calls.push(new Map());
    const begun = this.calls[height] as Map<number, Position[]>;
    const callers = begun.get(start);
    if (callers) callers.push(caller);
    else begun.set(start, [caller]);
  }
}

/** Each once. */
function inOrder(positions: readonly Position[]): Position[] {
  return positions
    .toSorted((a, b) => a.node - b.node || a.frame.id - b.frame.id)
    .filter(({ node, frame }, i, sorted) => node !== sorted[i - 1]?.node || frame !== sorted[i - 1]?.frame);
}

function keyOf(positions: readonly Position[]): string {
  return positions.map(({ node, frame }) => `${node}.${frame.id}`).join();
}

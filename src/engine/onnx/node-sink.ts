import {
  float32Tensor,
  int64Tensor,
  makeNode,
  type AttributeValue,
  type NodeProto,
  type TensorProto,
} from './proto/index.js';

/** Names that the rewritten graph adds begin with this; no exporter writes such names. */
export const PREFIX = '/in_place/';

interface NodeOptions {
  readonly domain?: string;
  readonly attributes?: Readonly<Record<string, AttributeValue>>;
  /** Name of the (first) output; without one, a new name is made. */
  readonly output?: string | undefined;
}

/** Collects the nodes and constants that a rewritten graph gains, and names them. */
export class NodeSink {
  readonly nodes: NodeProto[] = [];
  readonly #constants = new Map<string, TensorProto>();

  get initializers(): TensorProto[] {
    return [...this.#constants.values()];
  }

  /** Adds a node of one output. @returns the output's name */
  add(opType: string, inputs: readonly string[], options: NodeOptions = {}): string {
    return this.addMany(opType, inputs, 1, options)[0]!;
  }

  /** Adds a node. @returns its outputs' names */
  addMany(opType: string, inputs: readonly string[], outputs: number, options: NodeOptions = {}): string[] {
    const { domain, attributes, output = `${PREFIX}${opType}_${this.nodes.length}` } = options;
    const names = Array.from({ length: outputs }, (_, i) => (i === 0 ? output : `${output}_${i}`));
    const node = makeNode(opType, inputs, names, attributes, domain);
    // an exporter may have called a node what an output is called
    node.name = `${PREFIX}${opType}_${this.nodes.length}`;
    this.nodes.push(node);
    return names;
  }

  /** An int64 vector. */
  ints(...values: number[]): string {
    return this.#constant(`${PREFIX}ints_${values.join('_')}`, (name) => int64Tensor(name, values));
  }

  /** An int64 scalar. */
  int(value: number): string {
    return this.#constant(`${PREFIX}int_${value}`, (name) => int64Tensor(name, [value], []));
  }

  /** A float32 scalar. */
  float(value: number): string {
    return this.#constant(`${PREFIX}float_${value}`, (name) => float32Tensor(name, [value], []));
  }

  #constant(name: string, make: (name: string) => TensorProto): string {
    if (!this.#constants.has(name)) this.#constants.set(name, make(name));
    return name;
  }
}

import {
  DataType,
  type AttributeProto,
  type GraphProto,
  type NodeProto,
  type TensorProto,
} from './proto/index.js';

/** Why a graph can't be rewritten: one plain sentence. It never leaves `rewriteGraph`, which returns the sentence. */
export class Unrecognised extends Error {}

/** Indexes of a graph: who makes a value, who takes it. The graph itself is left as it is. */
export class GraphView {
  readonly graph: GraphProto;
  readonly initializers: ReadonlyMap<string, TensorProto>;
  /** Names of the inputs that a caller must feed. */
  readonly inputNames: ReadonlySet<string>;
  readonly outputNames: ReadonlySet<string>;
  readonly #producers = new Map<string, NodeProto>();
  readonly #consumers = new Map<string, NodeProto[]>();

  constructor(graph: GraphProto) {
    this.graph = graph;
    this.initializers = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
    // old exporters list the initializers among the inputs
    this.inputNames = new Set(
      graph.input.map(({ name }) => name).filter((name) => !this.initializers.has(name)),
    );
    this.outputNames = new Set(graph.output.map(({ name }) => name));
    for (const node of graph.node) {
      for (const name of node.output) if (name !== '') this.#producers.set(name, node);
      for (const name of consumedBy(node)) {
        const consumers = this.#consumers.get(name);
        if (consumers) consumers.push(node);
        else this.#consumers.set(name, [node]);
      }
    }
  }

  producer(value: string): NodeProto | undefined {
    return this.#producers.get(value);
  }

  consumers(value: string): readonly NodeProto[] {
    return this.#consumers.get(value) ?? [];
  }

  /** The tensor behind a name that is an initializer or a `Constant`. */
  constant(name: string): TensorProto | undefined {
    const node = this.producer(name);
    if (node?.opType === 'Constant') return attributeOf(node, 'value')?.t;
    return this.initializers.get(name);
  }

  /** The value behind nodes that only pass it on or change its element type. */
  behindCasts(name: string): string {
    let value = name;
    for (;;) {
      const node = this.producer(value);
      if (node?.opType !== 'Cast' && node?.opType !== 'Identity') return value;
      value = node.input[0]!;
    }
  }
}

/** All values a node reads, those that its subgraphs take from outside included; each once. */
export function consumedBy(node: NodeProto): Set<string> {
  const names = new Set(node.input);
  for (const graph of subgraphsOf(node)) {
    const own = new Set(graph.input.map(({ name }) => name));
    for (const { name } of graph.initializer) own.add(name);
    for (const inner of graph.node) {
      for (const name of consumedBy(inner)) if (!own.has(name)) names.add(name);
      for (const name of inner.output) own.add(name);
    }
    // a branch may return an outer value as it is
    for (const { name } of graph.output) if (!own.has(name)) names.add(name);
  }
  names.delete('');
  return names;
}

export function subgraphsOf(node: NodeProto): GraphProto[] {
  return node.attribute.flatMap(({ g, graphs }) => (g === undefined ? graphs : [g, ...graphs]));
}

export function attributeOf(node: NodeProto, name: string): AttributeProto | undefined {
  return node.attribute.find((attribute) => attribute.name === name);
}

export function intOf(node: NodeProto, name: string, fallback: number): number {
  const value = attributeOf(node, name)?.i;
  return value === undefined ? fallback : Number(value);
}

export function floatOf(node: NodeProto, name: string, fallback: number): number {
  return attributeOf(node, name)?.f ?? fallback;
}

export function intsOf(node: NodeProto, name: string): number[] | undefined {
  const attribute = attributeOf(node, name);
  return attribute && attribute.ints.map(Number);
}

export function textOf(node: NodeProto, name: string): string | undefined {
  const bytes = attributeOf(node, name)?.s;
  return bytes && new TextDecoder().decode(bytes);
}

export function dimsOf(tensor: TensorProto): number[] {
  return tensor.dims.map(Number);
}

/** How a reason names a node. */
export function describe(node: NodeProto): string {
  return node.name === '' ? `a ${node.opType} node` : `the ${node.opType} node '${node.name}'`;
}

/** Element types that the rewritten graph computes attention in, or converts from and to. */
export type FloatType = DataType.FLOAT | DataType.FLOAT16;

export function isFloatType(type: DataType): type is FloatType {
  return type === DataType.FLOAT || type === DataType.FLOAT16;
}

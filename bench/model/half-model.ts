import { clone } from '@bufbuild/protobuf';
import {
  AttributeType,
  DataType,
  int,
  makeNode,
  makeTensor,
  valueInfo,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from '../../src/engine/onnx/proto/index.js';
import { NodeProtoSchema } from '../../src/engine/onnx/proto/onnx_pb.js';
import { dimsOf } from '../../src/engine/onnx/graph-view.js';
import { floatsOf } from './floats-of.js';
import { toHalves } from './halves.js';

/**
 * A float32 decoder in float16, as exports for GPUs have it: whatever depends on the tokens is float16; what follows from positions
 * and lengths alone stays float32 until it meets it, because the angle of a late position has no float16; and so do norms that are
 * spelled out, whose squares have none. Logits are float32 in the end.
 */
export function toHalf(model: ModelProto): ModelProto {
  const graph = model.graph!;
  const norms = normsOf(graph.node);
  const half = new Set(dependents(graph.node, ['input_ids', ...pastOf(graph.input)]));
  for (const { output } of norms) output.forEach((name) => half.delete(name));
  const converter = new Converter(graph.initializer, half);
  const nodes = graph.node.flatMap((node) => converter.convert(node));
  return {
    ...model,
    graph: {
      ...graph,
      node: [
        ...nodes,
        {
          ...makeNode('Cast', ['logits_half'], ['logits'], { to: int(DataType.FLOAT) }),
          name: 'logits_to_float',
        },
      ],
      initializer: converter.initializers,
      input: graph.input.map(halved),
      output: graph.output.map((info) => (info.name === 'logits' ? info : halved(info))),
      valueInfo: [],
    },
  };
}

/** What can't be told from shapes, positions and constants. */
function dependents(nodes: readonly NodeProto[], roots: readonly string[]): ReadonlySet<string> {
  const found = new Set(roots);
  for (const { opType, input, output } of nodes)
    if (opType !== 'Shape' && input.some((name) => found.has(name)))
      output.forEach((name) => found.add(name));
  return found;
}

/** The nodes of `x / sqrt(mean(x * x) + epsilon)`. */
function normsOf(nodes: readonly NodeProto[]): ReadonlySet<NodeProto> {
  const found = new Set<NodeProto>();
  const producers = new Map(nodes.flatMap((node) => node.output.map((name) => [name, node] as const)));
  for (const mean of nodes.filter(({ opType }) => opType === 'ReduceMean')) {
    const square = producers.get(mean.input[0]!);
    if (square?.opType === 'Mul' || square?.opType === 'Pow') found.add(square);
    found.add(mean);
    let [value] = mean.output as [string];
    for (const opType of ['Add', 'Sqrt', 'Div']) {
      const next = nodes.find((node) => node.opType === opType && node.input.includes(value));
      if (!next) break;
      found.add(next);
      [value] = next.output as [string];
    }
  }
  return found;
}

function pastOf(inputs: readonly ValueInfoProto[]): string[] {
  return inputs.map(({ name }) => name).filter((name) => name.startsWith('past_key_values.'));
}

function halved(info: ValueInfoProto): ValueInfoProto {
  const tensor = info.type?.value.case === 'tensorType' ? info.type.value.value : undefined;
  if (tensor?.elemType !== DataType.FLOAT) return info;
  const dims = (tensor.shape?.dim ?? []).map(({ value }) =>
    value.case === 'dimValue' ? Number(value.value) : String(value.value),
  );
  return valueInfo(info.name, DataType.FLOAT16, dims);
}

class Converter {
  readonly initializers: TensorProto[] = [];
  readonly #floats = new Map<string, TensorProto>();
  readonly #half: ReadonlySet<string>;
  /** Values of float32 that were cast for a node of float16. */
  readonly #cast = new Set<string>();
  readonly #kept = new Set<string>();

  constructor(initializers: readonly TensorProto[], half: ReadonlySet<string>) {
    this.#half = half;
    for (const tensor of initializers) {
      if (tensor.dataType === DataType.FLOAT) this.#floats.set(tensor.name, tensor);
      else this.initializers.push(tensor);
    }
  }

  convert(original: NodeProto): NodeProto[] {
    const before: NodeProto[] = [];
    const node = clone(NodeProtoSchema, original);
    const isHalf = node.output.some((name) => this.#half.has(name)) && makesFloats(node);
    node.input = node.input.map((name, i) =>
      isHalf ? this.#asHalf(name, node, i, before) : this.#asFloat(name, node, i, before),
    );
    node.output = node.output.map((name) => (name === 'logits' ? 'logits_half' : name));
    if (isHalf) this.#halveAttributes(node);
    return [...before, node];
  }

  #asFloat(name: string, { opType }: NodeProto, place: number, before: NodeProto[]): string {
    const tensor = this.#floats.get(name);
    if (
      this.#half.has(name) &&
      !tensor &&
      name !== 'input_ids' &&
      opType !== 'Shape' &&
      !takesIntegers(opType, place)
    ) {
      const converted = `${name}_float`;
      if (!this.#cast.has(converted))
        before.push(makeNode('Cast', [name], [converted], { to: int(DataType.FLOAT) }));
      this.#cast.add(converted);
      return converted;
    }
    if (tensor && !this.#kept.has(name)) {
      this.#kept.add(name);
      this.initializers.push(tensor);
    }
    return name;
  }

  #asHalf(name: string, { opType }: NodeProto, place: number, before: NodeProto[]): string {
    const tensor = this.#floats.get(name);
    if (name === '' || (this.#half.has(name) && !tensor) || takesIntegers(opType, place)) return name;
    const converted = `${name}_half`;
    if (this.#cast.has(name)) return converted;
    if (tensor) {
      this.initializers.push(halfTensor(tensor, converted));
    } else {
      if (!this.#kept.has(name) && this.initializers.some((each) => each.name === name)) return name;
      before.push(makeNode('Cast', [name], [converted], { to: int(DataType.FLOAT16) }));
    }
    this.#cast.add(name);
    return converted;
  }

  #halveAttributes(node: NodeProto): void {
    for (const attribute of node.attribute) {
      if (node.opType === 'Cast' && attribute.i === BigInt(DataType.FLOAT))
        attribute.i = BigInt(DataType.FLOAT16);
      if (attribute.type === AttributeType.TENSOR && attribute.t?.dataType === DataType.FLOAT)
        attribute.t = halfTensor(attribute.t, attribute.t.name);
    }
  }
}

/** Of what depends on the tokens, only the tokens themselves and their shapes are integers. */
function makesFloats({ opType, input }: NodeProto): boolean {
  return !(opType === 'Cast' && input[0] === 'input_ids');
}

/** Indices, shapes, axes, sizes and lengths: they have no float16. */
function takesIntegers(opType: string, place: number): boolean {
  switch (opType) {
    case 'Gather':
      return place === 1;
    case 'Reshape':
    case 'Expand':
    case 'Unsqueeze':
    case 'Squeeze':
    case 'Slice':
    case 'Split':
    case 'ReduceMean':
    case 'Transpose':
      return place > 0;
    case 'GroupQueryAttention':
      return place === 5 || place === 6;
    case 'Where':
      return place === 0;
    default:
      return false;
  }
}

function halfTensor(tensor: TensorProto, name: string): TensorProto {
  return makeTensor(name, DataType.FLOAT16, dimsOf(tensor), toHalves(floatsOf(tensor)));
}

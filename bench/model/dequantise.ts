import { intOf } from '../../src/engine/onnx/graph-view.js';
import {
  DataType,
  makeNode,
  makeTensor,
  type ModelProto,
  type NodeProto,
  type TensorProto,
} from '../../src/engine/onnx/proto/index.js';
import { floatsOf } from './floats-of.js';

/** The same decoder with float32 weights: each 8-bit `MatMulNBits` becomes a `MatMul` over what its weights stand for. */
export function dequantise(model: ModelProto): ModelProto {
  const graph = model.graph!;
  const tensors = new Map(graph.initializer.map((tensor) => [tensor.name, tensor]));
  const node = graph.node.map((each) => (each.opType === 'MatMulNBits' ? toMatMul(each, tensors) : each));
  const used = new Set(node.flatMap(({ input }) => input));
  return {
    ...model,
    graph: { ...graph, node, initializer: [...tensors.values()].filter(({ name }) => used.has(name)) },
  };
}

function toMatMul(node: NodeProto, tensors: Map<string, TensorProto>): NodeProto {
  const [input, quantised, scales, zeroPoints] = node.input as [string, string, string, string | undefined];
  const [inputs, outputs, block] = [intOf(node, 'K', 0), intOf(node, 'N', 0), intOf(node, 'block_size', 32)];
  if (intOf(node, 'bits', 4) !== 8 || zeroPoints) throw new Error(`${node.name} is not 8 bits around 128`);
  const values = tensors.get(quantised)!.rawData!;
  const factors = floatsOf(tensors.get(scales)!);
  const weights = new Float32Array(inputs * outputs);
  const blocks = Math.ceil(inputs / block);
  for (let output = 0; output < outputs; output++) {
    for (let i = 0; i < inputs; i++) {
      const at = output * blocks * block + i;
      const factor = factors[output * blocks + Math.floor(i / block)] as number;
      weights[i * outputs + output] = ((values[at] as number) - 128) * factor;
    }
  }
  const name = `${quantised}_float`;
  tensors.set(name, makeTensor(name, DataType.FLOAT, [inputs, outputs], weights));
  return makeNode('MatMul', [input, name], [...node.output]);
}

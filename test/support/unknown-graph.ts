import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  DataType,
  decodeModel,
  encodeModel,
  float32Tensor,
  int,
  int64Tensor,
  makeNode,
} from '../../src/engine/onnx/proto/index.js';

/**
 * A copy of a model that gives the same logits, but whose graph uses its attention mask for something that no decoder does: what is
 * added to the logits is 0 times the number of tokens.
 */
export function writeUnknownGraph(source: string, copy: string): void {
  mkdirSync(join(copy, 'onnx'), { recursive: true });
  for (const file of ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json'])
    cpSync(join(source, file), join(copy, file));
  const model = decodeModel(readFileSync(join(source, 'onnx/model.onnx')));
  if (!model.graph) throw new Error('the model has no graph');
  for (const node of model.graph.node)
    node.output = node.output.map((name) => (name === 'logits' ? 'plain_logits' : name));
  model.graph.initializer.push(float32Tensor('odd_zero', [0], []), int64Tensor('odd_axes', [0, 1]));
  model.graph.node.push(
    makeNode('ReduceSum', ['attention_mask', 'odd_axes'], ['odd_count'], { keepdims: int(0) }),
    makeNode('Cast', ['odd_count'], ['odd_number'], { to: int(DataType.FLOAT) }),
    makeNode('Mul', ['odd_number', 'odd_zero'], ['odd_nothing']),
    makeNode('Add', ['plain_logits', 'odd_nothing'], ['logits']),
  );
  writeFileSync(join(copy, 'onnx/model.onnx'), encodeModel(model));
}

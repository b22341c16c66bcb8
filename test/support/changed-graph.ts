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
  type ModelProto,
} from '../../src/engine/onnx/proto/index.js';
import { TALES } from './models.js';

/** A copy of the embedded model with another graph, or other entries in config.json. */
export function writeChangedTales(
  folder: string,
  change: (model: ModelProto) => void,
  config: Readonly<Record<string, unknown>> = {},
): void {
  mkdirSync(join(folder, 'onnx'), { recursive: true });
  for (const file of ['generation_config.json', 'tokenizer.json', 'tokenizer_config.json'])
    cpSync(join(TALES.source, file), join(folder, file));
  const said = JSON.parse(readFileSync(join(TALES.source, 'config.json'), 'utf8')) as object;
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...said, ...config }));
  const model = decodeModel(readFileSync(join(TALES.source, 'onnx/model_quantized.onnx')));
  change(model);
  writeFileSync(join(folder, 'onnx/model_quantized.onnx'), encodeModel(model));
}

/** More bytes than a process can address: 2^47, as float32. */
const TOO_MANY = 2 ** 45;

/**
 * The same logits, but a pass of more than `tokens` tokens, once there are more than `from` tokens in all, asks for more memory than
 * any machine has: ONNX Runtime fails to allocate it.
 */
export function makeHungry(model: ModelProto, { tokens, from }: { tokens: number; from: number }): void {
  renameLogits(model);
  model.graph?.initializer.push(
    int64Tensor('hungry_tokens', [tokens]),
    int64Tensor('hungry_from', [from]),
    int64Tensor('hungry_one', [1]),
    int64Tensor('hungry_too_many', [TOO_MANY]),
    int64Tensor('hungry_first', [0], []),
  );
  model.graph?.node.push(
    makeNode('Shape', ['input_ids'], ['hungry_steps'], { start: int(1), end: int(2) }),
    makeNode('Shape', ['attention_mask'], ['hungry_total'], { start: int(1), end: int(2) }),
    makeNode('Greater', ['hungry_steps', 'hungry_tokens'], ['hungry_wide']),
    makeNode('Greater', ['hungry_total', 'hungry_from'], ['hungry_long']),
    makeNode('And', ['hungry_wide', 'hungry_long'], ['hungry_both']),
    makeNode('Cast', ['hungry_both'], ['hungry_factor'], { to: int(DataType.INT64) }),
    makeNode('Mul', ['hungry_factor', 'hungry_too_many'], ['hungry_extra']),
    makeNode('Add', ['hungry_extra', 'hungry_one'], ['hungry_size']),
    makeNode('ConstantOfShape', ['hungry_size'], ['hungry_zeros']),
    makeNode('Gather', ['hungry_zeros', 'hungry_first'], ['hungry_zero']),
    makeNode('Add', ['plain_logits', 'hungry_zero'], ['logits']),
  );
}

/** Logits that are no numbers. */
export function makeOverflow(model: ModelProto): void {
  renameLogits(model);
  model.graph?.initializer.push(float32Tensor('overflow', [NaN], []));
  model.graph?.node.push(makeNode('Mul', ['plain_logits', 'overflow'], ['logits']));
}

/** The same logits, and besides an operator of graphs with 8 bits per column. */
export function makeIntegerOperator({ graph }: ModelProto): void {
  const outputs = ['rounded_logits', 'rounded_scale', 'rounded_zero'];
  graph?.node.push(makeNode('DynamicQuantizeLinear', ['logits'], outputs));
}

/** A graph with an operator that nobody knows. */
export function makeUnknownOperator(model: ModelProto): void {
  renameLogits(model);
  model.graph?.node.push(makeNode('FancyNorm', ['plain_logits'], ['logits']));
}

function renameLogits({ graph }: ModelProto): void {
  if (!graph) throw new Error('the model has no graph');
  for (const node of graph.node) {
    if (!node.output.includes('logits')) continue;
    node.name = 'plain_logits';
    node.output = node.output.map((name) => (name === 'logits' ? 'plain_logits' : name));
  }
}

import { describe, expect, it } from 'vitest';
import {
  DataType,
  float,
  int,
  makeModel,
  makeNode,
  valueInfo,
  type ModelProto,
  type NodeProto,
} from '../../../src/engine/onnx/proto/index.js';
import { rewriteGraph } from '../../../src/engine/onnx/rewrite-graph.js';
import { concatDecoder, learnedPositionsDecoder } from './support/concat-decoders.js';
import { groupQueryDecoder, multiHeadDecoder } from './support/fused-decoders.js';

function reasonFor(model: ModelProto): string {
  const rewriting = rewriteGraph(model);
  return rewriting.kind === 'unrecognised' ? rewriting.reason : 'it was rewritten';
}

/** The graph with something else done to each of its nodes of a kind. */
function withNodes(model: ModelProto, opType: string, change: (node: NodeProto) => void): ModelProto {
  for (const node of model.graph!.node) if (node.opType === opType) change(node);
  return model;
}

/** A decoder that also weighs its last hidden states by the sum of a value. */
function weightedBySumOf(value: string): ModelProto {
  const model = groupQueryDecoder();
  const { node } = model.graph!;
  const last = node.findLast(({ opType }) => opType === 'SimplifiedLayerNormalization')!;
  node.splice(
    node.indexOf(last),
    0,
    makeNode('ReduceSum', [value], ['sum'], { keepdims: int(0) }),
    makeNode('Cast', ['sum'], ['sum.float'], { to: int(DataType.FLOAT) }),
    makeNode('Mul', [last.input[0]!, 'sum.float'], ['weighted']),
  );
  last.input[0] = 'weighted';
  return model;
}

describe('a graph is not guessed at', () => {
  const cases: Record<string, [model: () => ModelProto, reason: RegExp]> = {
    'no cache': [
      () =>
        makeModel({
          nodes: [makeNode('Identity', ['input_ids'], ['logits'])],
          inputs: [valueInfo('input_ids', DataType.INT64, ['batch_size', 'length'])],
          outputs: [valueInfo('logits', DataType.FLOAT, ['batch_size', 'length', 8])],
          initializers: [],
        }),
      /no past_key_values inputs/,
    ],
    'an attention that is no node of its own': [
      () => withNodes(groupQueryDecoder(), 'GroupQueryAttention', (node) => (node.opType = 'PagedAttention')),
      /'present\.0\.key' comes from the PagedAttention node 'attended\.0', which is no attention that is known/,
    ],
    'a window of attention': [
      () => groupQueryDecoder({ attributes: { local_window_size: int(16) } }),
      /attends to a window of 16 tokens only/,
    ],
    'an attribute that is not known': [
      () => groupQueryDecoder({ attributes: { future: int(1) } }),
      /has an attribute 'future'/,
    ],
    'the smooth softmax': [
      () => groupQueryDecoder({ attributes: { smooth_softmax: int(1) } }),
      /uses the smooth softmax/,
    ],
    'a bias on the scores': [
      () => groupQueryDecoder({ inputs: ['', 'attention_mask'] }),
      /has an input number 10 \('attention_mask'\)/,
    ],
    'lengths that are not those of the mask': [
      () => withNodes(groupQueryDecoder(), 'Sub', (node) => (node.opType = 'Add')),
      /isn't what an unpadded row has there/,
    ],
    'a bias that is no mask': [() => multiHeadDecoder({ bias: 'none' }), /another bias than the causal mask/],
    'a bias that hides nothing': [
      () => multiHeadDecoder({ bias: 'open' }),
      /another bias than the causal mask/,
    ],
    'a mask with a window': [
      () => multiHeadDecoder({ bias: 'window' }),
      /reaches back over a part of the past only/,
    ],
    'a mask with a window, spelled out': [
      () => concatDecoder({ mask: 'window' }),
      /reaches back over a part/,
    ],
    'a table with a window': [() => learnedPositionsDecoder({ local: true }), /reaches back over a part/],
    'a bias by distance': [() => concatDecoder({ mask: 'alibi' }), /something else than causal attention/],
    'no mask': [() => concatDecoder({ mask: 'none' }), /something else than causal attention/],
    'heads in another order': [
      () => concatDecoder({ repeat: 'wrong' }),
      /something else than causal attention/,
    ],
    'an input that is not known': [
      () => {
        const model = groupQueryDecoder();
        model.graph!.input.push(valueInfo('pixel_values', DataType.FLOAT, ['batch_size', 3]));
        return model;
      },
      /has an input 'pixel_values', which is not known/,
    ],
    'old operators': [
      () => {
        const model = groupQueryDecoder();
        model.opsetImport[0]!.version = 11n;
        return model;
      },
      /version 11 of the ONNX operators/,
    ],
    'a vocabulary of no fixed size': [
      () => {
        const model = groupQueryDecoder();
        model.graph!.output[0] = valueInfo('logits', DataType.FLOAT, ['batch_size', 'length', 'vocabulary']);
        return model;
      },
      /no output 'logits' of a fixed vocabulary size/,
    ],
    'a cache of integers': [
      () => {
        const model = groupQueryDecoder();
        const at = model.graph!.input.findIndex(({ name }) => name === 'past_key_values.1.key');
        model.graph!.input[at] = valueInfo('past_key_values.1.key', DataType.INT8, ['b', 2, 'p', 16]);
        return model;
      },
      /'past_key_values\.1\.key' holds INT8/,
    ],
    'a use of the mask besides attention': [
      () => weightedBySumOf('attention_mask'),
      /the ReduceSum node 'sum' needs 'attention_mask' for something else/,
    ],
    'a use of the cache besides attention': [
      () => weightedBySumOf('past_key_values.1.value'),
      /the ReduceSum node 'sum' needs 'past_key_values\.1\.value' for something else/,
    ],
    'a use of the continued cache': [
      () => weightedBySumOf('present.0.key'),
      /the ReduceSum node 'sum' needs 'present\.0\.key' for something else/,
    ],
    'attention scores that are returned': [
      () =>
        withNodes(groupQueryDecoder(), 'GroupQueryAttention', (node) =>
          node.output.push(`${node.name}.scores`),
        ),
      /returns its scores/,
    ],
    'a cache that two layers share': [
      () =>
        withNodes(groupQueryDecoder(), 'GroupQueryAttention', (node) => {
          if (node.input[3] === 'past_key_values.1.key')
            node.input.splice(3, 2, 'past_key_values.0.key', 'past_key_values.0.value');
        }),
      /'present\.1\.key' comes from|takes the past of layer/,
    ],
  };

  it.each(Object.entries(cases))('%s', (_, [model, reason]) => {
    expect(reasonFor(model())).toMatch(reason);
  });
});

describe('what looks like a limit and is none', () => {
  it('a window as long as the rotary tables', () => {
    expect(reasonFor(groupQueryDecoder({ attributes: { local_window_size: int(64) } }))).toBe(
      'it was rewritten',
    );
  });

  it('attributes that say what is the case anyway', () => {
    const attributes = { local_window_size: int(-1), smooth_softmax: int(0), softcap: float(0) };
    expect(reasonFor(groupQueryDecoder({ attributes }))).toBe('it was rewritten');
  });
});

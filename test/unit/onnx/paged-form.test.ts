import { InferenceSession } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { GraphView } from '../../../src/engine/onnx/graph-view.js';
import { liveNodes } from '../../../src/engine/onnx/live-nodes.js';
import { mergeProjections } from '../../../src/engine/onnx/merge-projections.js';
import { NodeSink } from '../../../src/engine/onnx/node-sink.js';
import { PAGED_FORM } from '../../../src/engine/onnx/paged-form.js';
import {
  DataType,
  encodeModel,
  type ModelProto,
  type NodeProto,
} from '../../../src/engine/onnx/proto/index.js';
import { rewriteGraph } from '../../../src/engine/onnx/rewrite-graph.js';
import { expectClose } from './support/compare.js';
import { concatDecoder } from './support/concat-decoders.js';
import { groupQueryDecoder, multiHeadDecoder, type GroupQueryOptions } from './support/fused-decoders.js';
import { PlainDecoder } from './support/plain-decoder.js';
import { SHAPE } from './support/tiny-decoder.js';

/** What it computes is tested where there is an adapter, in `e2e/gpu.test.ts`. */
function paged(model: ModelProto): { nodes: NodeProto[]; model: ModelProto } {
  const rewriting = rewriteGraph(model, PAGED_FORM);
  if (rewriting.kind !== 'rewritten') throw new Error(rewriting.reason);
  return { nodes: rewriting.model.graph!.node, model: rewriting.model };
}

function ofType(nodes: readonly NodeProto[], opType: string): NodeProto[] {
  return nodes.filter((node) => node.opType === opType);
}

describe('the graph for a GPU', () => {
  it('takes its cache by a table and returns none of it', () => {
    const { graph } = paged(groupQueryDecoder()).model;
    expect(graph!.output.map(({ name }) => name)).toEqual(['logits', 'most', 'best']);
    expect(graph!.input.map(({ name }) => name).slice(0, 7)).toEqual([
      'input_ids',
      'position_ids',
      'last',
      'starts',
      'past',
      'table',
      'bounds',
    ]);
    expect(graph!.input).toHaveLength(7 + 2 * SHAPE.layers);
  });

  it.each<[string, GroupQueryOptions, number]>([
    ['three projections of one value', {}, 1],
    ['projections in 8 bits', { weights: 'q8' }, 1],
    ['packed projections', { packed: true }, 1],
    ['rotated outside, which needs them apart', { rotary: 'outside' }, 3],
  ])('%s', (_, options, operands) => {
    const attention = ofType(paged(groupQueryDecoder(options)).nodes, 'PagedAttention');
    expect(attention).toHaveLength(SHAPE.layers);
    for (const { input } of attention)
      expect(input.slice(0, 3).filter((name) => name !== '')).toHaveLength(operands);
  });

  it.each([
    ['attention spelled out', () => concatDecoder()],
    ['MultiHeadAttention', () => multiHeadDecoder({ bias: 'causal' })],
  ])('%s becomes the same operator', (_, make) => {
    const { nodes } = paged(make());
    expect(ofType(nodes, 'PagedAttention')).toHaveLength(SHAPE.layers);
    expect(ofType(nodes, 'Softmax')).toEqual([]);
  });

  it('projects float16 hidden states onto the vocabulary in float32', () => {
    const { nodes } = paged(groupQueryDecoder({ weights: 'fp16' }));
    const projection = ofType(nodes, 'MatMul').at(-1)!;
    const makers = projection.input.map((name) => nodes.find(({ output }) => output.includes(name)));
    for (const maker of makers) {
      expect(maker?.opType).toBe('Cast');
      expect(maker?.attribute[0]?.i).toBe(BigInt(DataType.FLOAT));
    }
  });

  it('is not made where scores are bounded', () => {
    expect(rewriteGraph(groupQueryDecoder({ softcap: 2 }), PAGED_FORM)).toMatchObject({
      kind: 'unrecognised',
      reason: expect.stringContaining('bounds the scores') as string,
    });
  });
});

describe('projections of one value', () => {
  it.each(['fp32', 'q8', 'q4'] as const)('say the same in one (%s)', async (weights) => {
    const model = groupQueryDecoder({ weights });
    const graph = model.graph!;
    const sink = new NodeSink();
    const { replaced } = mergeProjections(new GraphView(graph), sink);
    expect(replaced.size).toBe(3 * SHAPE.layers);
    const node = liveNodes(
      [...graph.node.filter((each) => !replaced.has(each)), ...sink.nodes],
      graph.output.map(({ name }) => name),
    );
    const initializer = [...graph.initializer, ...sink.initializers];
    const [before, after] = await Promise.all(
      [model, { ...model, graph: { ...graph, node, initializer } }].map((each) =>
        InferenceSession.create(encodeModel(each), { intraOpNumThreads: 1, logSeverityLevel: 3 }),
      ),
    );
    const [apart, merged] = [new PlainDecoder(before!), new PlainDecoder(after!)];
    for (const tokens of [[3, 1, 4, 1, 5], [9], [2, 6]])
      expectClose(await merged.step(tokens), await apart.step(tokens), 1e-5);
  });
});

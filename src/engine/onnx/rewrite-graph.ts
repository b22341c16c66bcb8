import { clone } from '@bufbuild/protobuf';
import type { AttentionSite } from './attention-site.js';
import { BLOCK_FORM } from './block-form.js';
import { readCacheLayers, type CacheLayer } from './cache-layers.js';
import type { Mask } from './causal-mask.js';
import { readConcatAttention } from './concat-attention.js';
import type { GraphForm } from './graph-form.js';
import { isFusedAttention, readFusedAttention } from './fused-attention.js';
import { GraphView, Unrecognised, type FloatType } from './graph-view.js';
import { pickLastToken, type Changes } from './last-token.js';
import { settleLeftovers } from './leftovers.js';
import { assembleModel } from './new-graph.js';
import { NodeSink, PREFIX } from './node-sink.js';
import { freeNames, opsetOf, readLogits, refuseOldOperators, refuseUnknownInputs } from './original-graph.js';
import { DataType, int, type ModelProto } from './proto/index.js';
import { NodeProtoSchema } from './proto/onnx_pb.js';
import { SMALL_TRIALS, TrialRunner, type Trial } from './trials.js';

/** Size of one layer's cache: `[kvHeads, headDim]` float32 keys for each token, and values. */
export interface LayerShape {
  readonly kvHeads: number;
  readonly headDim: number;
}

/** What is known of a rewritten graph. */
export interface GraphFacts {
  readonly layers: readonly LayerShape[];
  readonly vocabSize: number;
  /** Operators of the new graph that compute with quantised weights or activations, e.g. `MatMulNBits`. */
  readonly quantizedOps: readonly string[];
}

/** A graph that stays as it is. */
export interface UnrecognisedGraph {
  readonly kind: 'unrecognised';
  /** One plain sentence. */
  readonly reason: string;
}

export type Rewriting =
  (GraphFacts & { readonly kind: 'rewritten'; readonly model: ModelProto }) | UnrecognisedGraph;

/**
 * Rewrites a decoder so that the KV cache stays with the caller: the graph reads the past in blocks and returns only the keys
 * and values of the new tokens. The model itself is left as it is.
 *
 * The new graph runs B rows of S new tokens (shorter rows filled up on the right) over a past in NB blocks of T tokens, each of
 * one row, at most MB in a row:
 *
 * | input | | |
 * |---|---|---|
 * | `input_ids`, `position_ids` | int64 [B, S] | |
 * | `mask` | float32 [B, 1, S, S + MB * T] | added to the scores: first the new tokens, then the row's past in order |
 * | `table` | int64 [B, MB] | each row's blocks in order; where it has fewer, any block |
 * | `valid` | float32 [B, 1, MB] | 1 for an entry of `table`, 0 for a filling |
 * | `block_row` | int64 [NB] | the row of each block |
 * | `block_slot` | int64 [NB] | its place in `table`: row * MB + j |
 * | `last` | int64 [B, 1, 1] | index of each row's last token among the S |
 * | `past_key_values.{l}.key`, `.value` | float32 [NB, kvHeads, T, headDim] | |
 *
 * | output | | |
 * |---|---|---|
 * | `logits` | float32 [B, 1, V] | behind each row's last token |
 * | `delta.{l}.key`, `.value` | float32 [B, kvHeads, S, headDim] | keys are rotated already |
 *
 * Without a past it takes one block of one masked token.
 *
 * @param form - another one than this
 */
export function rewriteGraph(model: ModelProto, form: GraphForm = BLOCK_FORM): Rewriting {
  try {
    return rewrite(model, form);
  } catch (error) {
    if (error instanceof Unrecognised) return { kind: 'unrecognised', reason: error.message };
    throw error;
  }
}

function rewrite(model: ModelProto, form: GraphForm): Rewriting {
  if (model.graph === undefined) throw new Unrecognised('the model has no graph');
  refuseOldOperators(model);
  const graph = freeNames(model.graph);
  const view = new GraphView(graph);
  const layers = readCacheLayers(view);
  refuseUnknownInputs(view, layers);
  const logits = readLogits(view);
  const { sites, trials } = readSites(view, layers);

  const sink = new NodeSink();
  const needless = form.attend(sites, sink, view);
  const own = new Set(sink.nodes);
  const changes: Changes = new Map();
  const picked = pickLastToken(view, (value) => form.pickLast(value, sink), changes);
  form.project(view, sink, changes);
  nameLogits(view, sink, changes, picked, logits.type);
  form.conclude(sink, { vocabSize: logits.vocabSize, opset: opsetOf(model) });
  const outputs = form.outputs(layers, logits.vocabSize);
  const replaced = new Set(sites.flatMap((site) => site.replaced));
  const nodes = graph.node
    .filter((node) => !replaced.has(node) && !needless.has(node))
    .map((node) => changes.get(node) ?? node);
  const gone = new Set([
    'attention_mask',
    ...layers.flatMap((layer) => [layer.pastKey, layer.pastValue]),
    // caches that layers share, and whatever else attention returned
    ...[...replaced].flatMap(({ output }) => output.slice(1)),
  ]);
  const live = settleLeftovers(
    { view, nodes, outputs: outputs.map(({ name }) => name), gone, own },
    sink,
    trials,
  );
  return {
    kind: 'rewritten',
    model: assembleModel(model, {
      nodes: live,
      initializers: [...graph.initializer, ...sink.initializers],
      inputs: form.inputs(layers),
      outputs,
    }),
    layers: layers.map(({ kvHeads, headDim }) => ({ kvHeads, headDim })),
    vocabSize: logits.vocabSize,
    quantizedOps: [...new Set(live.map(({ opType }) => opType))].filter((name) => QUANTIZED.test(name)),
  };
}

const QUANTIZED =
  /^(MatMulNBits|DynamicQuantize.*|MatMulInteger.*|QLinear.*|QGemm|QAttention|.*BlockQuantized)$/;

/** Finds each layer's attention and makes sure that it is what it looks like. */
function readSites(
  view: GraphView,
  layers: readonly CacheLayer[],
): { sites: AttentionSite[]; trials: readonly Trial[] } {
  const runner = new TrialRunner(view, layers);
  const unchanged = runner.run(...SMALL_TRIALS[0], []);
  const sites = layers.map((layer) => {
    const fused = view.consumers(layer.pastValue).find(isFusedAttention);
    if (fused !== undefined) return readFusedAttention(view, layer, fused);
    return readConcatAttention(view, layer, unchanged);
  });
  const opaque = (newTokens: number) => sites.flatMap((site) => site.opaque(newTokens));
  const trials = SMALL_TRIALS.map(([newTokens, past]) =>
    runner.run(newTokens, past, [
      ...opaque(newTokens),
      ...sites.flatMap((site) => site.operands(newTokens, past)),
    ]),
  );
  for (const site of sites) site.check(trials);
  const visibility = runner.longVisibility(opaque(1), uniqueMasks(sites));
  if (visibility === 'some')
    throw new Unrecognised('its attention reaches back over a part of the past only');
  if (visibility === 'unknown') throw new Unrecognised("its attention mask can't be told for a long past");
  return { sites, trials };
}

function uniqueMasks(sites: readonly AttentionSite[]): Mask[] {
  const masks = sites.flatMap((site) => site.masks).map((mask) => [JSON.stringify(mask), mask] as const);
  return [...new Map(masks).values()];
}

/** Makes `logits` the name of float32 logits of the last token. */
function nameLogits(
  view: GraphView,
  sink: NodeSink,
  changes: Changes,
  picked: string,
  type: FloatType,
): void {
  if (picked === 'logits' && type === DataType.FLOAT) return;
  const inner = `${PREFIX}logits`;
  const rename = (name: string) => (name === 'logits' ? inner : name);
  for (const node of [view.producer('logits'), ...view.consumers('logits')]) {
    if (node === undefined) continue;
    const changed = changes.get(node) ?? clone(NodeProtoSchema, node);
    changed.input = changed.input.map(rename);
    changed.output = changed.output.map(rename);
    changes.set(node, changed);
  }
  for (const node of sink.nodes) node.input = node.input.map(rename);
  sink.add('Cast', [rename(picked)], { attributes: { to: int(DataType.FLOAT) }, output: 'logits' });
}

import type { AttentionSite, FlatAttention, HeadedAttention } from './attention-site.js';
import type { CacheLayer } from './cache-layers.js';
import { projectInFloat } from './float-projection.js';
import { converter, nameAs, type Convert, type GraphForm } from './graph-form.js';
import { Unrecognised } from './graph-view.js';
import { mergeProjections, type MergedProjections } from './merge-projections.js';
import type { NodeSink } from './node-sink.js';
import { DataType, float, int, ints, MICROSOFT, valueInfo } from './proto/index.js';

/** Logits that {@link PAGED_FORM} finds the largest of at a time. */
export const PIECE = 256;
/** Below any logit. */
const LEAST = -3e38;

/** Place of the bounds on lengths among the operator's inputs: the one that is read on the host. */
const BOUNDS = 16;

/**
 * For a GPU: ONNX Runtime's `PagedAttention` reads and writes the cache where it lies in the GPU's memory, through a table of each
 * row's blocks, as vLLM has it (Kwon et al., 2023). All tokens of a pass lie one behind the other, without padding, so that rows of
 * any length share it: prompts, pieces of prompts, and rows that decode. Nothing of the cache is returned.
 *
 * | input | | |
 * |---|---|---|
 * | `input_ids`, `position_ids` | int64 [1, T] | the tokens of all rows |
 * | `last` | int64 [B] | where each row's last token is among them |
 * | `starts` | int32 [B + 1] | where each row's tokens begin, and T |
 * | `past` | int32 [B] | tokens of each row's past |
 * | `table` | int32 [B, MB] | each row's blocks in order, those for the new tokens included; then anything |
 * | `bounds` | int32 [2] | most new tokens of a row; most tokens of a row with its past |
 * | `past_key_values.{l}.key`, `.value` | float16 [blocks, blockTokens, kvHeads, headDim] | on the GPU, written in place |
 *
 * | output | | |
 * |---|---|---|
 * | `logits` | float32 [1, B, V] | behind each row's last token |
 * | `most` | float32 [B, C] | the largest logit of each 256 |
 * | `best` | int64 [B, C] | which of the 256 it is |
 *
 * `most` and `best` are all that a greedy row needs: a few hundred numbers instead of a vocabulary.
 */
export const PAGED_FORM: GraphForm = {
  name: 'paged',
  attend(sites, sink, view) {
    const { replaced, packed } = mergeProjections(view, sink);
    const toHalf = converter(sink, DataType.FLOAT16);
    for (const site of sites) attendPaged(site, { sink, toHalf, packed });
    return replaced;
  },
  pickLast: (value, sink) => sink.add('Gather', [value, 'last'], { attributes: { axis: int(1) } }),
  project: projectInFloat,
  conclude: (sink, logits) => chooseBest(sink, logits),
  inputs: (layers) => [
    valueInfo('input_ids', DataType.INT64, [1, 'tokens']),
    valueInfo('position_ids', DataType.INT64, [1, 'tokens']),
    valueInfo('last', DataType.INT64, ['rows']),
    valueInfo('starts', DataType.INT32, ['rows_and_one']),
    valueInfo('past', DataType.INT32, ['rows']),
    valueInfo('table', DataType.INT32, ['rows', 'row_blocks']),
    valueInfo('bounds', DataType.INT32, [2]),
    ...layers.flatMap(({ pastKey, pastValue, kvHeads, headDim }) =>
      [pastKey, pastValue].map((name) =>
        valueInfo(name, DataType.FLOAT16, ['blocks', 'block_tokens', kvHeads, headDim]),
      ),
    ),
  ],
  outputs: (_, vocabSize) => {
    const pieces = Math.ceil(vocabSize / PIECE);
    return [
      valueInfo('logits', DataType.FLOAT, [1, 'rows', vocabSize]),
      valueInfo('most', DataType.FLOAT, ['rows', pieces]),
      valueInfo('best', DataType.INT64, ['rows', pieces]),
    ];
  },
};

/** A reduction has one thread for each of its results: for whole vocabularies there would be too few. */
function chooseBest(sink: NodeSink, { vocabSize, opset }: { vocabSize: number; opset: number }): void {
  const pieces = Math.ceil(vocabSize / PIECE);
  const missing = pieces * PIECE - vocabSize;
  const whole =
    missing === 0
      ? 'logits'
      : sink.add('Pad', ['logits', sink.ints(0, 0, 0, 0, 0, missing), sink.float(LEAST)]);
  const cut = sink.add('Reshape', [whole, sink.ints(-1, pieces, PIECE)]);
  const keepdims = int(0);
  sink.add('ArgMax', [cut], { attributes: { axis: int(2), keepdims }, output: 'best' });
  // the axes became an input
  if (opset < 18) sink.add('ReduceMax', [cut], { attributes: { axes: ints([2]), keepdims }, output: 'most' });
  else sink.add('ReduceMax', [cut, sink.ints(2)], { attributes: { keepdims }, output: 'most' });
}

interface Emission {
  readonly sink: NodeSink;
  readonly toHalf: Convert;
  readonly packed: MergedProjections['packed'];
}

function attendPaged({ layer, call }: AttentionSite, emission: Emission): void {
  if (call.softcap !== 0)
    throw new Unrecognised('its attention bounds the scores, which the GPU has no operator for');
  switch (call.layout) {
    case 'flat':
      return attendFlat(layer, call, emission);
    case 'heads':
      return attendHeads(layer, call, emission);
    default:
      return call satisfies never;
  }
}

function attendFlat(layer: CacheLayer, call: FlatAttention, { sink, toHalf, packed }: Emission): void {
  const { heads, kvHeads, headDim, rotary, output: name, outputType: to } = call;
  const size = heads * headDim;
  const whole = packed(call.projections);
  const projections = whole === undefined ? call.projections : [whole];
  const sizes =
    projections.length === 1 ? [size + 2 * kvHeads * headDim] : [size, kvHeads * headDim, kvHeads * headDim];
  const operands = projections.map((value, i) =>
    sink.add('Reshape', [toHalf(value, layer.type), sink.ints(-1, sizes[i]!)]),
  );
  const tables = rotary ? [rotary.cos, rotary.sin].map((table) => toHalf(table, layer.type)) : [];
  const result = pagedAttention(
    layer,
    call,
    { operands, tables, interleaved: rotary?.interleaved === true },
    sink,
  );
  nameAs(sink, { from: DataType.FLOAT16, to, name }, (as) =>
    sink.add('Reshape', [result, sink.ints(1, -1, size)], { output: as }),
  );
}

function attendHeads(layer: CacheLayer, call: HeadedAttention, { sink, toHalf }: Emission): void {
  const { heads, kvHeads, headDim, output: name, outputType: to } = call;
  const flat = (value: string, count: number, perm: number[]) =>
    sink.add('Reshape', [
      sink.add('Transpose', [value], { attributes: { perm: ints(perm) } }),
      sink.ints(-1, count * headDim),
    ]);
  const operands = [
    flat(toHalf(call.query, call.queryType), heads, [0, 2, 1, 3]),
    flat(toHalf(call.key, layer.type), kvHeads, layer.transposedKeys ? [0, 3, 1, 2] : [0, 2, 1, 3]),
    flat(toHalf(call.value, layer.type), kvHeads, [0, 2, 1, 3]),
  ];
  const result = pagedAttention(layer, call, { operands, tables: [], interleaved: false }, sink);
  nameAs(sink, { from: DataType.FLOAT16, to, name }, (as) =>
    sink.add('Transpose', [sink.add('Reshape', [result, sink.ints(1, -1, heads, headDim)])], {
      attributes: { perm: ints([0, 2, 1, 3]) },
      output: as,
    }),
  );
}

interface PagedOperands {
  /** `[tokens, heads * headDim]` each: query, key and value; or one that holds all three. */
  readonly operands: readonly string[];
  /** Cosines and sines; none: nothing is rotated. */
  readonly tables: readonly string[];
  readonly interleaved: boolean;
}

/** @returns `[tokens, heads * headDim]`, float16 */
function pagedAttention(
  { pastKey, pastValue }: CacheLayer,
  { heads, kvHeads, scale }: FlatAttention | HeadedAttention,
  { operands, tables, interleaved }: PagedOperands,
  sink: NodeSink,
): string {
  const [query, key = '', value = ''] = operands;
  const inputs = [query!, key, value, pastKey, pastValue, 'starts', 'past', 'table', ...tables];
  while (inputs.length < BOUNDS) inputs.push('');
  return sink.add('PagedAttention', [...inputs, 'bounds'], {
    domain: MICROSOFT,
    attributes: {
      num_heads: int(heads),
      kv_num_heads: int(kvHeads),
      scale: float(scale),
      do_rotary: int(tables.length > 0 ? 1 : 0),
      rotary_interleaved: int(interleaved ? 1 : 0),
    },
  });
}

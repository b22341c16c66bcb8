import type { AttentionSite, FlatAttention, HeadedAttention } from './attention-site.js';
import { BlockAttention, fromHeads, toHeads } from './block-attention.js';
import type { CacheLayer } from './cache-layers.js';
import { converter, nameAs, type Convert, type GraphForm } from './graph-form.js';
import type { NodeSink } from './node-sink.js';
import { DataType, int, ints, MICROSOFT, valueInfo } from './proto/index.js';

/**
 * For the CPU: the past is read in blocks that lie in the caller's memory, and the graph returns only the keys and values of the new
 * tokens; see `rewriteGraph`.
 */
export const BLOCK_FORM: GraphForm = {
  name: 'blocks',
  attend(sites, sink) {
    const attention = new BlockAttention(sink, sites[0]!.layer.pastKey);
    const toFloat = converter(sink, DataType.FLOAT);
    for (const site of sites) attendInBlocks(site, { sink, attention, toFloat });
    return new Set();
  },
  pickLast: (value, sink) => sink.add('GatherND', [value, 'last'], { attributes: { batch_dims: int(1) } }),
  project: () => undefined,
  conclude: () => undefined,
  inputs: (layers) => [
    valueInfo('input_ids', DataType.INT64, ['rows', 'new']),
    valueInfo('position_ids', DataType.INT64, ['rows', 'new']),
    valueInfo('mask', DataType.FLOAT, ['rows', 1, 'new', 'new_and_past']),
    valueInfo('table', DataType.INT64, ['rows', 'row_blocks']),
    valueInfo('valid', DataType.FLOAT, ['rows', 1, 'row_blocks']),
    valueInfo('block_row', DataType.INT64, ['blocks']),
    valueInfo('block_slot', DataType.INT64, ['blocks']),
    valueInfo('last', DataType.INT64, ['rows', 1, 1]),
    ...layers.flatMap(({ pastKey, pastValue, kvHeads, headDim }) =>
      [pastKey, pastValue].map((name) =>
        valueInfo(name, DataType.FLOAT, ['blocks', kvHeads, 'block_tokens', headDim]),
      ),
    ),
  ],
  outputs: (layers, vocabSize) => [
    valueInfo('logits', DataType.FLOAT, ['rows', 1, vocabSize]),
    ...layers.flatMap(({ index, kvHeads, headDim }) =>
      Object.values(deltaNames(index)).map((name) =>
        valueInfo(name, DataType.FLOAT, ['rows', kvHeads, 'new', headDim]),
      ),
    ),
  ],
};

interface Emission {
  readonly sink: NodeSink;
  readonly attention: BlockAttention;
  readonly toFloat: Convert;
}

/** Names of the outputs that hold a layer's new keys and values. */
function deltaNames(index: number): { key: string; value: string } {
  return { key: `delta.${index}.key`, value: `delta.${index}.value` };
}

function attendInBlocks({ layer, call }: AttentionSite, emission: Emission): void {
  switch (call.layout) {
    case 'flat':
      return attendFlat(layer, call, emission);
    case 'heads':
      return attendHeads(layer, call, emission);
    default:
      return call satisfies never;
  }
}

function attendFlat(layer: CacheLayer, call: FlatAttention, { sink, attention, toFloat }: Emission): void {
  const { heads, kvHeads, headDim, rotary, scale, softcap, output: name, outputType: to } = call;
  const [query, key, value] = separate(call, sink).map((projection) => toFloat(projection, layer.type)) as [
    string,
    string,
    string,
  ];
  const rotate = (input: string, count: number) =>
    rotary === undefined
      ? input
      : sink.add(
          'RotaryEmbedding',
          [input, 'position_ids', toFloat(rotary.cos, layer.type), toFloat(rotary.sin, layer.type)],
          {
            domain: MICROSOFT,
            attributes: {
              interleaved: int(rotary.interleaved ? 1 : 0),
              num_heads: int(count),
              rotary_embedding_dim: int(rotary.dims === headDim ? 0 : rotary.dims),
            },
          },
        );
  const names = deltaNames(layer.index);
  const output = attention.emit({
    heads,
    kvHeads,
    headDim,
    query: toHeads(sink, rotate(query, heads), { heads, headDim }),
    key: toHeads(sink, rotate(key, kvHeads), { heads: kvHeads, headDim }, names.key),
    value: toHeads(sink, value, { heads: kvHeads, headDim }, names.value),
    pastKey: layer.pastKey,
    pastValue: layer.pastValue,
    scale,
    softcap,
  });
  nameAs(sink, { from: DataType.FLOAT, to, name }, (as) => fromHeads(sink, output, { heads, headDim }, as));
}

/** Query, key and value, `[rows, new, heads * headDim]` each. */
function separate({ projections, heads, kvHeads, headDim }: FlatAttention, sink: NodeSink): string[] {
  if (projections.length === 3) return [...projections];
  const sizes = sink.ints(heads * headDim, kvHeads * headDim, kvHeads * headDim);
  return sink.addMany('Split', [projections[0], sizes], 3, { attributes: { axis: int(-1) } });
}

function attendHeads(layer: CacheLayer, call: HeadedAttention, { sink, attention, toFloat }: Emission): void {
  const perm = { attributes: { perm: ints([0, 1, 3, 2]) } };
  const key = layer.transposedKeys ? sink.add('Transpose', [call.key], perm) : call.key;
  const names = deltaNames(layer.index);
  nameAs(sink, { from: DataType.FLOAT, to: call.outputType, name: call.output }, (name) =>
    attention.emit(
      {
        heads: call.heads,
        kvHeads: call.kvHeads,
        headDim: call.headDim,
        query: toFloat(call.query, call.queryType),
        key: toFloat(key, layer.type, names.key),
        value: toFloat(call.value, layer.type, names.value),
        pastKey: layer.pastKey,
        pastValue: layer.pastValue,
        scale: call.scale,
        softcap: call.softcap,
      },
      name,
    ),
  );
}

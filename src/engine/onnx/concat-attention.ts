import type { AttentionSite, Emission } from './attention-site.js';
import type { CacheLayer } from './cache-layers.js';
import { describe, intOf, Unrecognised, type FloatType, type GraphView } from './graph-view.js';
import { ints, type NodeProto } from './proto/index.js';
import { isAttentionOf, probeOperands } from './reference-attention.js';
import { findValueProduct, readDataPath, readScorePath, type ScorePath } from './score-path.js';
import type { Trial } from './trials.js';

/**
 * Attention spelled out in the graph: `Concat(past, new) -> present`, keys and values repeated for their group of heads,
 * score product, scale, mask, softmax, product with the values. Which nodes do it differs from exporter to exporter, so the
 * walk from the cache to the output is lenient, and `check` then runs the nodes on small numbers and compares with attention.
 * @param trial - any trial of the unchanged graph
 * @throws Unrecognised where the cache does not lead to one softmax and out of it
 */
export function readConcatAttention(view: GraphView, layer: CacheLayer, trial: Trial): AttentionSite {
  const { kvHeads, headDim, transposedKeys } = layer;
  const keys = findAppend(view, layer.presentKey, layer.pastKey, transposedKeys ? 3 : 2);
  const values = findAppend(view, layer.presentValue, layer.pastValue, 2);
  const [cachedKeys, cachedValues] = [keys.output[0]!, values.output[0]!];
  const path = readScorePath(view, layer, cachedKeys, trial);
  const product = findValueProduct(view, layer, path.softmax);
  const output = product.output[0]!;
  const { type: outputType } = readDataPath(view, layer, cachedValues, product.input[1]!, trial);
  const heads = readHeads(layer, path.spreadKeys, trial);
  const { query, steps } = path;
  const sizes = ({ newTokens, past }: Pick<Trial, 'newTokens' | 'past'>) => {
    return { heads, kvHeads, headDim, newTokens, past };
  };
  return {
    layer,
    heads,
    replaced: [product],
    opaque: () => [],
    operands: (newTokens, past) => {
      const operands = probeOperands(sizes({ newTokens, past }), transposedKeys);
      return [
        [query, operands.query],
        [cachedKeys, operands.cachedKeys],
        [cachedValues, operands.cachedValues],
      ];
    },
    check: (trials) => {
      for (const small of trials) {
        const result = small.probe.get(output);
        if (result !== undefined && isAttentionOf(sizes(small), steps, result)) continue;
        throw new Unrecognised(
          `the attention of layer ${layer.index} does something else than causal attention`,
        );
      }
    },
    masks: steps.masks,
    emit: (emission) =>
      emitConcat(
        { layer, heads, path, output, outputType, newKeys: keys.input[1]!, newValues: values.input[1]! },
        emission,
      ),
  };
}

interface ConcatSite {
  readonly layer: CacheLayer;
  readonly heads: number;
  readonly path: ScorePath;
  /** Name and type of the attention's result, `[batch, heads, new, headDim]`. */
  readonly output: string;
  readonly outputType: FloatType;
  readonly newKeys: string;
  readonly newValues: string;
}

function emitConcat(site: ConcatSite, { sink, attention, toFloat, named, names }: Emission): void {
  const { layer, heads, path, newKeys, newValues } = site;
  const perm = { attributes: { perm: ints([0, 1, 3, 2]) } };
  const keys = layer.transposedKeys ? sink.add('Transpose', [newKeys], perm) : newKeys;
  named(site.outputType, site.output, (name) =>
    attention.emit(
      {
        heads,
        kvHeads: layer.kvHeads,
        headDim: layer.headDim,
        query: toFloat(path.query, path.type),
        key: toFloat(keys, layer.type, names.key),
        value: toFloat(newValues, layer.type, names.value),
        pastKey: layer.pastKey,
        pastValue: layer.pastValue,
        scale: path.steps.scale,
        softcap: path.steps.softcap,
      },
      name,
    ),
  );
}

/** The node that appends the new keys or values to the past. */
function findAppend(view: GraphView, present: string, past: string, axis: number): NodeProto {
  const node = view.producer(view.behindCasts(present));
  if (node?.opType !== 'Concat') {
    throw new Unrecognised(
      `'${present}' comes from ${node === undefined ? 'no node' : describe(node)}, which is no attention that is known`,
    );
  }
  const on = intOf(node, 'axis', 0);
  if (node.input.length !== 2 || node.input[0] !== past || (on !== axis && on !== axis - 4)) {
    throw new Unrecognised(`${describe(node)} does not append to '${past}'`);
  }
  return node;
}

function readHeads({ index, kvHeads }: CacheLayer, spreadKeys: string, trial: Trial): number {
  const dims = trial.probe.get(spreadKeys)?.dims ?? [];
  const heads = dims[1];
  if (dims.length !== 4 || heads === undefined || heads % kvHeads !== 0) {
    throw new Unrecognised(`the number of heads of layer ${index} can't be told`);
  }
  return heads;
}

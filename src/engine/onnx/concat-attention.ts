import type { AttentionSite } from './attention-site.js';
import type { CacheLayer } from './cache-layers.js';
import { describe, intOf, Unrecognised, type GraphView } from './graph-view.js';
import type { NodeProto } from './proto/index.js';
import { isAttentionOf, probeOperands } from './reference-attention.js';
import { findValueProduct, readDataPath, readScorePath } from './score-path.js';
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
    call: {
      layout: 'heads',
      heads,
      kvHeads,
      headDim,
      query,
      queryType: path.type,
      key: keys.input[1]!,
      value: values.input[1]!,
      scale: steps.scale,
      softcap: steps.softcap,
      output,
      outputType,
    },
  };
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

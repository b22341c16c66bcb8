import type { CacheLayer } from './cache-layers.js';
import { describe, dimsOf, floatOf, intOf, Unrecognised, type GraphView } from './graph-view.js';
import type { AttentionSite, Rotary } from './attention-site.js';
import { isCausalBias } from './causal-mask.js';
import { elements, unknown } from './probe/tensor.js';
import { MICROSOFT, type NodeProto } from './proto/index.js';
import { positions, type Trial } from './trials.js';

/** Where the inputs of the two operators are. */
const GROUP_QUERY = {
  query: 0,
  key: 1,
  value: 2,
  lengths: 5,
  total: 6,
  cos: 7,
  sin: 8,
  positions: 9,
} as const;
const MULTI_HEAD = { query: 0, key: 1, value: 2, bias: 5 } as const;

/** Attributes that say nothing, or are dealt with; any other one means a feature that is not known here. */
const GROUP_QUERY_ATTRIBUTES = new Set([
  'num_heads',
  'kv_num_heads',
  'scale',
  'softcap',
  'do_rotary',
  'rotary_interleaved',
  'local_window_size',
  'smooth_softmax',
  'qk_output',
]);
const MULTI_HEAD_ATTRIBUTES = new Set(['num_heads', 'scale', 'unidirectional', 'mask_filter_value']);

/**
 * Attention as one of ONNX Runtime's own operators: `GroupQueryAttention`, rotary embedding and packed projections included,
 * or `MultiHeadAttention`.
 * @throws Unrecognised where the node uses a feature that can't be taken over
 */
export function readFusedAttention(view: GraphView, layer: CacheLayer, node: NodeProto): AttentionSite {
  const groupQuery = node.opType === 'GroupQueryAttention';
  const own = groupQuery ? GROUP_QUERY : MULTI_HEAD;
  refuseUnknownParts(node, new Set<number>([...Object.values(own), ...pastInputs(node)]));
  const [pastKey, pastValue] = pastInputs(node).map((i) => node.input[i]);
  if (pastKey !== layer.pastKey || pastValue !== layer.pastValue) {
    throw new Unrecognised(`${describe(node)} takes the past of layer ${layer.index} as something else`);
  }
  if (node.output[1] !== layer.presentKey || node.output[2] !== layer.presentValue) {
    throw new Unrecognised(`${describe(node)} does not return the cache of layer ${layer.index}`);
  }
  const heads = intOf(node, 'num_heads', 0);
  const kvHeads = groupQuery ? intOf(node, 'kv_num_heads', 0) : heads;
  const { headDim } = layer;
  if (kvHeads !== layer.kvHeads || kvHeads === 0 || heads % kvHeads !== 0) {
    throw new Unrecognised(
      `${describe(node)} has ${heads} heads and ${kvHeads} KV heads, its cache ${layer.kvHeads}`,
    );
  }
  const rotary = groupQuery && intOf(node, 'do_rotary', 0) === 1 ? readRotary(view, layer, node) : undefined;
  refuseWindow(node, rotary);
  const packed = (node.input[GROUP_QUERY.key] ?? '') === '';
  if (packed && !groupQuery) throw new Unrecognised(`${describe(node)} takes packed projections`);
  const scale = floatOf(node, 'scale', 0) || 1 / Math.sqrt(headDim);
  const softcap = floatOf(node, 'softcap', 0);
  const bias = groupQuery ? '' : (node.input[MULTI_HEAD.bias] ?? '');
  const [query, key, value] = node.input as [string, string, string];
  return {
    layer,
    replaced: [node],
    opaque: (newTokens) => [[node.output[0]!, unknown([1, newTokens, heads * headDim])]],
    operands: () => [],
    check: (trials) => (groupQuery ? checkLengths(node, trials) : checkBias(node, bias, trials)),
    masks: bias === '' ? [] : [{ kind: 'bias', name: bias }],
    call: {
      layout: 'flat',
      heads,
      kvHeads,
      headDim,
      projections: packed ? [query] : [query, key, value],
      rotary,
      scale,
      softcap,
      output: node.output[0]!,
      outputType: layer.type,
    },
  };
}

function pastInputs(node: NodeProto): [number, number] {
  return node.opType === 'GroupQueryAttention' ? [3, 4] : [6, 7];
}

function refuseUnknownParts(node: NodeProto, inputs: ReadonlySet<number>): void {
  const extra = node.input.findIndex((name, i) => name !== '' && !inputs.has(i));
  if (extra >= 0)
    throw new Unrecognised(`${describe(node)} has an input number ${extra} ('${node.input[extra]}')`);
  const known = node.opType === 'GroupQueryAttention' ? GROUP_QUERY_ATTRIBUTES : MULTI_HEAD_ATTRIBUTES;
  for (const { name } of node.attribute) {
    if (!known.has(name)) throw new Unrecognised(`${describe(node)} has an attribute '${name}'`);
  }
  if (intOf(node, 'smooth_softmax', 0) > 0)
    throw new Unrecognised(`${describe(node)} uses the smooth softmax`);
  if (node.output.length > 3 && node.output[3] !== '') {
    throw new Unrecognised(`${describe(node)} returns its scores`);
  }
}

function readRotary(view: GraphView, layer: CacheLayer, node: NodeProto): Rotary {
  const cos = node.input[GROUP_QUERY.cos] ?? '';
  const sin = node.input[GROUP_QUERY.sin] ?? '';
  const [cosTable, sinTable] = [cos, sin].map((name) => view.constant(view.behindCasts(name)));
  const [rows, half] = cosTable ? dimsOf(cosTable) : [];
  if (rows === undefined || half === undefined || sinTable === undefined) {
    throw new Unrecognised(`${describe(node)} takes rotary tables that are not constants`);
  }
  if (half * 2 > layer.headDim) throw new Unrecognised(`${describe(node)} rotates more than a head has`);
  return {
    cos,
    sin,
    dims: half * 2,
    positions: rows,
    interleaved: intOf(node, 'rotary_interleaved', 0) === 1,
  };
}

/** A window as long as the rotary tables reach is none. */
function refuseWindow(node: NodeProto, rotary: Rotary | undefined): void {
  const window = intOf(node, 'local_window_size', -1);
  if (window < 0 || (rotary !== undefined && window >= rotary.positions)) return;
  throw new Unrecognised(`${describe(node)} attends to a window of ${window} tokens only`);
}

/** The row's length has to come from the attention mask, as the runtime that feeds the new graph takes for granted. */
function checkLengths(node: NodeProto, trials: readonly Trial[]): void {
  for (const { newTokens, past, probe } of trials) {
    const expected = [
      [GROUP_QUERY.lengths, [past + newTokens - 1]],
      [GROUP_QUERY.total, [past + newTokens]],
      [GROUP_QUERY.positions, positions(newTokens, past)],
    ] as const;
    for (const [input, values] of expected) {
      const name = node.input[input] ?? '';
      if (name === '' && input === GROUP_QUERY.positions) continue;
      const value = probe.get(name);
      if (value === undefined || !values.every((number, i) => elements(value)[i] === number)) {
        throw new Unrecognised(
          `'${name}', which ${describe(node)} takes, isn't what an unpadded row has there`,
        );
      }
    }
  }
}

function checkBias(node: NodeProto, bias: string, trials: readonly Trial[]): void {
  if (bias === '' && intOf(node, 'unidirectional', 0) === 1) return;
  if (bias === '' || !trials.every((trial) => isCausalBias(trial, bias))) {
    throw new Unrecognised(`${describe(node)} has another bias than the causal mask`);
  }
}

export function isFusedAttention({ opType, domain }: NodeProto): boolean {
  return domain === MICROSOFT && (opType === 'GroupQueryAttention' || opType === 'MultiHeadAttention');
}

import type { CacheLayer } from './cache-layers.js';
import type { Mask } from './causal-mask.js';
import {
  describe,
  floatOf,
  intOf,
  isFloatType,
  Unrecognised,
  type FloatType,
  type GraphView,
} from './graph-view.js';
import { isUniform, sizeOf } from './probe/tensor.js';
import type { DataType, NodeProto } from './proto/index.js';
import type { Trial } from './trials.js';

/** What happens to scores between the product and the softmax. */
export interface ScoreSteps {
  /** Product of all factors on keys and scores (those on the query stay with the query). */
  readonly scale: number;
  /** 0 where the scores are not bounded. */
  readonly softcap: number;
  readonly masks: readonly Mask[];
}

/** The way from the cached keys to the softmax. */
export interface ScorePath {
  readonly query: string;
  /** Second operand of the score product: the keys, one head for each query head. */
  readonly spreadKeys: string;
  readonly softmax: NodeProto;
  readonly steps: ScoreSteps;
  readonly type: FloatType;
}

/**
 * Follows the cached keys to the softmax, and the scores back to their product.
 * @param trial - any trial of the unchanged graph: it has the factors, which may be computed from shapes
 */
export function readScorePath(view: GraphView, layer: CacheLayer, keys: string, trial: Trial): ScorePath {
  const { reached, softmax } = followKeys(view, layer, keys);
  const factors = { before: 1, after: 1 };
  const masks: Mask[] = [];
  let bounded = false;
  let value = softmax.input[0]!;
  for (;;) {
    const node = view.producer(value);
    if (node === undefined) throw strange(layer);
    if (node.opType === 'MatMul' || node.opType === 'FusedMatMul') {
      const [query, spreadKeys] = node.input as [string, string];
      if (reached.has(query) || !reached.has(spreadKeys) || intOf(node, 'transA', 0) !== 0) {
        throw strange(layer, node);
      }
      const path = readDataPath(view, layer, keys, spreadKeys, trial);
      const before = factors.before * path.factor * floatOf(node, 'alpha', 1);
      const softcap = bounded ? factors.after : 0;
      const steps = { scale: before * factors.after, softcap, masks };
      return { query, spreadKeys, softmax, steps, type: path.type };
    }
    const next = node.input.find((name) => reached.has(name));
    if (next === undefined) throw strange(layer, node);
    switch (node.opType) {
      case 'Cast':
      case 'Identity':
      case 'Max':
        break;
      case 'Tanh':
        if (bounded) throw strange(layer, node);
        bounded = true;
        factors.after = factors.before;
        factors.before = 1;
        break;
      case 'Mul':
      case 'Div':
        factors.before *= readFactor(node, next, trial);
        break;
      case 'Add':
        masks.push({ kind: 'bias', name: otherOf(node, next) });
        break;
      case 'Where':
        masks.push({ kind: 'condition', name: node.input[0]!, kept: next === node.input[1] });
        break;
      default:
        throw strange(layer, node);
    }
    value = next;
  }
}

/** The way from a product's operand back to the cache it is made of. */
export interface DataPath {
  /** Product of the factors on the way. */
  readonly factor: number;
  /** Element type at the end of the way. */
  readonly type: FloatType;
}

/** Goes back through whatever repeats heads, transposes, scales and casts. */
export function readDataPath(
  view: GraphView,
  layer: CacheLayer,
  cache: string,
  operand: string,
  trial: Trial,
): DataPath {
  let value = operand;
  let factor = 1;
  let type: DataType | undefined;
  while (value !== cache) {
    const node = view.producer(value);
    if (node === undefined) throw strange(layer);
    let [next] = node.input as [string];
    switch (node.opType) {
      case 'Cast':
        type ??= intOf(node, 'to', 0);
        break;
      case 'Identity':
      case 'Transpose':
      case 'Reshape':
      case 'Squeeze':
      case 'Unsqueeze':
      case 'Expand':
      case 'Tile':
        break;
      case 'Concat':
        if (node.input.some((name) => name !== next)) throw strange(layer, node);
        break;
      case 'Mul':
      case 'Div':
        if (isScalar(trial, next)) next = otherOf(node, next);
        factor *= readFactor(node, next, trial);
        break;
      default:
        throw strange(layer, node);
    }
    value = next;
  }
  type ??= layer.type;
  if (!isFloatType(type)) throw strange(layer);
  return { factor, type };
}

/** The product of probabilities and values, behind casts and the guard against rows that see nothing. */
export function findValueProduct(view: GraphView, layer: CacheLayer, softmax: NodeProto): NodeProto {
  const queue = [...softmax.output];
  const products = new Set<NodeProto>();
  for (const value of queue) {
    for (const node of view.consumers(value)) {
      if (node.opType === 'MatMul' || node.opType === 'FusedMatMul') products.add(node);
      else if (['Cast', 'Identity', 'Dropout', 'IsNaN', 'Where'].includes(node.opType)) {
        if (!queue.includes(node.output[0]!)) queue.push(node.output[0]!);
      } else throw strange(layer, node);
    }
  }
  const [product] = products;
  if (product === undefined || products.size > 1 || !queue.includes(product.input[0]!)) throw strange(layer);
  if (floatOf(product, 'alpha', 1) !== 1 || intOf(product, 'transB', 0) !== 0) throw strange(layer, product);
  return product;
}

/** All values between the cached keys and the softmax. */
function followKeys(
  view: GraphView,
  layer: CacheLayer,
  keys: string,
): { reached: Set<string>; softmax: NodeProto } {
  const reached = new Set([keys]);
  const softmaxes = new Set<NodeProto>();
  for (const value of reached) {
    for (const node of view.consumers(value)) {
      if (node.opType === 'Softmax') softmaxes.add(node);
      else if (node.opType !== 'Shape') node.output.forEach((name) => reached.add(name));
    }
    // a way that misses the softmax ends in the rest of the network
    if (reached.size > 100) throw strange(layer);
  }
  const [softmax] = softmaxes;
  if (softmax === undefined || softmaxes.size > 1) throw strange(layer);
  return { reached, softmax };
}

function readFactor(node: NodeProto, value: string, trial: Trial): number {
  const other = otherOf(node, value);
  const number = isScalar(trial, other) ? trial.probe.get(other)!.data[0]! : NaN;
  if (!Number.isFinite(number) || (node.opType === 'Div' && value !== node.input[0])) {
    throw new Unrecognised(`${describe(node)} scales attention by something that isn't a constant`);
  }
  return node.opType === 'Div' ? 1 / number : number;
}

function otherOf(node: NodeProto, value: string): string {
  return node.input[node.input[0] === value ? 1 : 0]!;
}

function isScalar({ probe }: Trial, name: string): boolean {
  const value = probe.get(name);
  return value !== undefined && isUniform(value) && sizeOf(value.dims) === 1;
}

function strange({ index }: CacheLayer, node?: NodeProto): Unrecognised {
  const where = node === undefined ? '' : ` (at ${describe(node)})`;
  return new Unrecognised(`the way from the cache of layer ${index} to its attention is not known${where}`);
}

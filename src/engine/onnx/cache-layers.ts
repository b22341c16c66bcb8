import { isFloatType, Unrecognised, type FloatType, type GraphView } from './graph-view.js';
import { DataType, type ValueInfoProto } from './proto/index.js';

/** The cache of one layer, as the graph's inputs and outputs declare it. */
export interface CacheLayer {
  readonly index: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly type: FloatType;
  /** Names of the inputs that hold the past, and of the outputs that continue it. */
  readonly pastKey: string;
  readonly pastValue: string;
  readonly presentKey: string;
  readonly presentValue: string;
  /** The graph caches keys as `[batch, kvHeads, headDim, length]`. */
  readonly transposedKeys: boolean;
}

const PAST = /^past_key_values\.(\d+)\.(key|value)$/;

/**
 * The layers of the cache, in order.
 * @throws Unrecognised where the graph's inputs are not those of a decoder with a cache
 */
export function readCacheLayers(view: GraphView): CacheLayer[] {
  const inputs = new Map(view.graph.input.map((input) => [input.name, input]));
  const count = [...view.inputNames].filter((name) => PAST.test(name)).length / 2;
  if (count === 0)
    throw new Unrecognised('the graph has no past_key_values inputs: it was exported without a KV cache');
  return Array.from({ length: count }, (_, index) => {
    const pastKey = `past_key_values.${index}.key`;
    const pastValue = `past_key_values.${index}.value`;
    const presentKey = `present.${index}.key`;
    const presentValue = `present.${index}.value`;
    for (const name of [pastKey, pastValue]) {
      if (!view.inputNames.has(name)) throw new Unrecognised(`the graph has no input '${name}'`);
    }
    for (const name of [presentKey, presentValue]) {
      if (!view.outputNames.has(name)) throw new Unrecognised(`the graph has no output '${name}'`);
    }
    const key = readShape(inputs.get(pastKey)!);
    const value = readShape(inputs.get(pastValue)!);
    const [, kvHeads, , headDim] = value.dims;
    if (typeof kvHeads !== 'number' || typeof headDim !== 'number' || value.dims.length !== 4) {
      throw new Unrecognised(
        `the input '${pastValue}' is not [batch, kv_heads, length, head_dim] with fixed heads`,
      );
    }
    const transposedKeys = typeof key.dims[3] !== 'number';
    const fixed = [key.dims[1], key.dims[transposedKeys ? 2 : 3]];
    if (key.dims.length !== 4 || fixed[0] !== kvHeads || fixed[1] !== headDim || key.type !== value.type) {
      throw new Unrecognised(`the input '${pastKey}' does not go with '${pastValue}'`);
    }
    const { type } = key;
    return {
      index,
      kvHeads,
      headDim,
      type,
      pastKey,
      pastValue,
      presentKey,
      presentValue,
      transposedKeys,
    };
  });
}

function readShape({ name, type }: ValueInfoProto): { dims: (number | undefined)[]; type: FloatType } {
  const tensor = type?.value.case === 'tensorType' ? type.value.value : undefined;
  const elemType = tensor?.elemType ?? DataType.UNDEFINED;
  if (!isFloatType(elemType)) {
    throw new Unrecognised(`the input '${name}' holds ${DataType[elemType]}, not float32 or float16`);
  }
  const dims = (tensor?.shape?.dim ?? []).map(({ value }) =>
    value.case === 'dimValue' ? Number(value.value) : undefined,
  );
  return { dims, type: elemType };
}

import { attributeOf, intOf, intsOf } from '../graph-view.js';
import { readTensor } from './read-tensor.js';
import type { Operators } from './operator.js';
import {
  allocate,
  axisOf,
  broadcastDims,
  broadcastTo,
  elements,
  integers,
  isUniform,
  reshaped,
  sizeOf,
  strided,
  stridesOf,
  uniform,
  unknown,
  type ProbeTensor,
} from './tensor.js';

const listed = (tensor: ProbeTensor | undefined): number[] | undefined => tensor && [...elements(tensor)];

/** Operators that rearrange, pick and count, as the ONNX specification has them. */
export const STRUCTURE: Operators = {
  Identity: (_, [a]) => [a!],
  Constant: (node) => [constant(node)],
  Shape: (node, [a]) => {
    const { dims } = a!;
    return [integers(dims.slice(intOf(node, 'start', 0), intOf(node, 'end', dims.length)))];
  },
  Size: (_, [a]) => [integers([sizeOf(a!.dims)], [])],
  Reshape: (node, [a, shape]) => [reshape(a!, listed(shape)!, intOf(node, 'allowzero', 0) === 1)],
  Flatten: (node, [a]) => {
    const axis = intOf(node, 'axis', 1);
    return [reshaped(a!, [sizeOf(a!.dims.slice(0, axis)), sizeOf(a!.dims.slice(axis))])];
  },
  Unsqueeze: (node, [a, axesInput]) => {
    const axes = listed(axesInput) ?? intsOf(node, 'axes') ?? [];
    const rank = a!.dims.length + axes.length;
    const added = new Set(axes.map((axis) => axisOf(axis, rank)));
    const rest = [...a!.dims];
    return [
      reshaped(
        a!,
        Array.from({ length: rank }, (_, i) => (added.has(i) ? 1 : rest.shift()!)),
      ),
    ];
  },
  Squeeze: (node, [a, axesInput]) => {
    const axes = (listed(axesInput) ?? intsOf(node, 'axes'))?.map((axis) => axisOf(axis, a!.dims.length));
    return [
      reshaped(
        a!,
        a!.dims.filter((dim, i) => (axes ? !axes.includes(i) : dim !== 1)),
      ),
    ];
  },
  Transpose: (node, [a]) => {
    const perm = intsOf(node, 'perm') ?? [...a!.dims.keys()].toReversed();
    const strides = stridesOf(a!.dims);
    return [
      strided(
        a!,
        perm.map((axis) => a!.dims[axis]!),
        perm.map((axis) => strides[axis]!),
      ),
    ];
  },
  Expand: (_, [a, shape]) => [broadcastTo(a!, broadcastDims([a!.dims, listed(shape)!]))],
  Tile: (_, [a, repeats]) => [tile(a!, listed(repeats)!)],
  Concat: (node, inputs) => [
    concat(inputs as ProbeTensor[], axisOf(intOf(node, 'axis', 0), inputs[0]!.dims.length)),
  ],
  Slice: (_, [a, starts, ends, axes, steps]) => [
    slice(a!, listed(starts)!, listed(ends)!, listed(axes), listed(steps)),
  ],
  Split: (node, [a, sizesInput]) => {
    const axis = axisOf(intOf(node, 'axis', 0), a!.dims.length);
    const parts = node.output.length;
    const even = Array.from({ length: parts }, () => a!.dims[axis]! / parts);
    const sizes = listed(sizesInput) ?? intsOf(node, 'split') ?? even;
    let end = 0;
    return sizes.map((size) => slice(a!, [end], [(end += size)], [axis]));
  },
  Gather: (node, [a, indices]) => [
    gather(a!, indices!, axisOf(intOf(node, 'axis', 0), Math.max(a!.dims.length, 1))),
  ],
  GatherND: (node, [a, indices]) => {
    if (intOf(node, 'batch_dims', 0) !== 0) throw new Error('batch_dims');
    return [gatherNd(a!, indices!)];
  },
  ScatterND: (_, [a, indices, updates]) => [scatterNd(a!, indices!, updates!)],
  Range: (_, [start, limit, delta]) => [range(start!, limit!.data[0]!, delta!.data[0]!)],
  ConstantOfShape: (node, [shape]) => {
    const value = attributeOf(node, 'value')?.t;
    const filling = value === undefined ? uniform([1], 0) : readTensor(value);
    return [uniform(listed(shape)!, filling.data[0]!, filling.integer)];
  },
  Trilu: (node, [a, k]) => [triangle(a!, k?.data[0] ?? 0, intOf(node, 'upper', 1) === 1)],
};

function constant(node: Parameters<Operators[string]>[0]): ProbeTensor {
  const value = attributeOf(node, 'value')?.t;
  if (value) return readTensor(value);
  const list = intsOf(node, 'value_ints');
  if (list) return integers(list);
  const whole = attributeOf(node, 'value_int')?.i;
  if (whole !== undefined) return integers([Number(whole)], []);
  const real = attributeOf(node, 'value_float')?.f;
  if (real !== undefined) return uniform([], real);
  throw new Error('a constant of another type');
}

function range({ data, integer }: ProbeTensor, to: number, step: number): ProbeTensor {
  const [from] = data as unknown as [number];
  const length = Math.max(0, Math.ceil((to - from) / step));
  if (Number.isNaN(length)) throw new Error('an unknown length');
  return { dims: [length], data: Float64Array.from({ length }, (_, i) => from + i * step), integer };
}

function reshape(tensor: ProbeTensor, shape: readonly number[], zeroIsZero: boolean): ProbeTensor {
  const dims = shape.map((dim, i) => (dim === 0 && !zeroIsZero ? tensor.dims[i]! : dim));
  const rest = dims.indexOf(-1);
  if (rest >= 0) dims[rest] = sizeOf(tensor.dims) / sizeOf(dims.toSpliced(rest, 1));
  return reshaped(tensor, dims);
}

function tile(tensor: ProbeTensor, repeats: readonly number[]): ProbeTensor {
  const own = stridesOf(tensor.dims);
  const dims = tensor.dims.flatMap((dim, i) => [repeats[i]!, dim]);
  const copies = strided(
    tensor,
    dims,
    own.flatMap((stride) => [0, stride]),
  );
  return reshaped(
    copies,
    tensor.dims.map((dim, i) => dim * repeats[i]!),
  );
}

function concat(inputs: readonly ProbeTensor[], axis: number): ProbeTensor {
  const [first] = inputs as [ProbeTensor];
  const dims = first.dims.with(
    axis,
    inputs.reduce((sum, input) => sum + input.dims[axis]!, 0),
  );
  const fillings = new Set(inputs.filter(({ dims: d }) => sizeOf(d) > 0).map((input) => input.data[0]));
  if (inputs.every((input) => isUniform(input) || sizeOf(input.dims) === 0) && fillings.size === 1) {
    return { ...first, dims, data: Float64Array.of([...fillings][0]!) };
  }
  const out = allocate(dims);
  if (out === undefined) return unknown(dims);
  const inner = sizeOf(dims.slice(axis + 1));
  const outer = sizeOf(dims.slice(0, axis));
  let at = 0;
  for (let row = 0; row < outer; row++) {
    for (const input of inputs) {
      const length = input.dims[axis]! * inner;
      out.set(elements(input).subarray(row * length, (row + 1) * length), at);
      at += length;
    }
  }
  return { ...first, dims, data: out };
}

function slice(
  tensor: ProbeTensor,
  starts: readonly number[],
  ends: readonly number[],
  axes: readonly number[] = starts.map((_, i) => i),
  steps: readonly number[] = starts.map(() => 1),
): ProbeTensor {
  const dims = [...tensor.dims];
  const strides = stridesOf(dims);
  let offset = 0;
  axes.forEach((given, i) => {
    const axis = axisOf(given, dims.length);
    const size = tensor.dims[axis]!;
    const step = steps[i]!;
    const clamp = (value: number, least: number, most: number) =>
      Math.min(Math.max(value < 0 ? value + size : value, least), most);
    const start = step > 0 ? clamp(starts[i]!, 0, size) : clamp(starts[i]!, 0, size - 1);
    const end = step > 0 ? clamp(ends[i]!, 0, size) : clamp(ends[i]!, -1, size - 1);
    dims[axis] = Math.max(0, Math.ceil((end - start) / step));
    offset += start * strides[axis]!;
    strides[axis]! *= step;
  });
  return strided(tensor, dims, strides, offset);
}

function gather(tensor: ProbeTensor, indices: ProbeTensor, axis: number): ProbeTensor {
  const dims = [...tensor.dims.slice(0, axis), ...indices.dims, ...tensor.dims.slice(axis + 1)];
  if (isUniform(tensor)) return { ...tensor, dims };
  const out = allocate(dims);
  if (out === undefined) return unknown(dims);
  const length = tensor.dims[axis]!;
  const inner = sizeOf(tensor.dims.slice(axis + 1));
  const picked = elements(indices);
  for (let i = 0; i < out.length; i++) {
    const entry = Math.floor(i / inner);
    const index = picked[entry % picked.length]!;
    const row = Math.floor(entry / picked.length) * length + (index < 0 ? index + length : index);
    out[i] = tensor.data[row * inner + (i % inner)] ?? NaN;
  }
  return { dims, data: out, integer: tensor.integer };
}

/** Where each index tuple of `[..., depth]` points in memory, and how many elements lie there. */
function pointers(dims: readonly number[], indices: ProbeTensor): { offsets: number[]; length: number } {
  const depth = indices.dims.at(-1)!;
  const strides = stridesOf(dims);
  const flat = elements(indices);
  const offsets = Array.from({ length: flat.length / depth }, (_, i) => {
    let offset = 0;
    for (let d = 0; d < depth; d++) {
      const index = flat[i * depth + d]!;
      offset += (index < 0 ? index + dims[d]! : index) * strides[d]!;
    }
    return offset;
  });
  return { offsets, length: sizeOf(dims.slice(depth)) };
}

function gatherNd(tensor: ProbeTensor, indices: ProbeTensor): ProbeTensor {
  const dims = [...indices.dims.slice(0, -1), ...tensor.dims.slice(indices.dims.at(-1))];
  if (isUniform(tensor)) return { ...tensor, dims };
  const out = allocate(dims);
  if (out === undefined) return unknown(dims);
  const { offsets, length } = pointers(tensor.dims, indices);
  offsets.forEach((offset, i) => {
    for (let k = 0; k < length; k++) out[i * length + k] = tensor.data[offset + k] ?? NaN;
  });
  return { dims, data: out, integer: tensor.integer };
}

function scatterNd(tensor: ProbeTensor, indices: ProbeTensor, updates: ProbeTensor): ProbeTensor {
  const data = Float64Array.from(elements(tensor));
  const values = elements(updates);
  const { offsets, length } = pointers(tensor.dims, indices);
  offsets.forEach((offset, i) => data.set(values.subarray(i * length, (i + 1) * length), offset));
  return { ...tensor, data };
}

function triangle(tensor: ProbeTensor, k: number, upper: boolean): ProbeTensor {
  const { dims, integer } = tensor;
  const out = allocate(dims);
  if (out === undefined) return unknown(dims);
  const [rows, columns] = dims.slice(-2) as [number, number];
  elements(tensor).forEach((value, i) => {
    const column = i % columns;
    const row = Math.floor(i / columns) % rows;
    out[i] = (upper ? column >= row + k : column <= row + k) ? value : 0;
  });
  return { dims, data: out, integer };
}

/**
 * A value while a graph is tried out on small inputs. NaN stands for "not known": weights are not read, so whatever comes of
 * them is NaN, and a comparison with what was expected fails.
 */
export interface ProbeTensor {
  readonly dims: readonly number[];
  /** Row by row; one number where all elements are equal. */
  readonly data: Float64Array;
  /** Integers and booleans: their division truncates. */
  readonly integer: boolean;
}

/** Beyond this many elements a value counts as not known, but for its dimensions. */
const MOST_ELEMENTS = 2 ** 22;

export function sizeOf(dims: readonly number[]): number {
  return dims.reduce((product, dim) => product * dim, 1);
}

export function uniform(dims: readonly number[], value: number, integer = false): ProbeTensor {
  return { dims, data: Float64Array.of(value), integer };
}

export function unknown(dims: readonly number[]): ProbeTensor {
  return uniform(dims, NaN);
}

export function isUniform({ dims, data }: ProbeTensor): boolean {
  return data.length === 1 && sizeOf(dims) !== 0;
}

/** Nothing but the dimensions is known. */
export function isUnknown(tensor: ProbeTensor): boolean {
  return isUniform(tensor) && Number.isNaN(tensor.data[0]);
}

export function integers(values: readonly number[], dims: readonly number[] = [values.length]): ProbeTensor {
  return { dims, data: Float64Array.from(values), integer: true };
}

export function floats(values: ArrayLike<number>, dims: readonly number[]): ProbeTensor {
  return { dims, data: Float64Array.from(values), integer: false };
}

/** All elements, in order. */
export function elements(tensor: ProbeTensor): Float64Array {
  const size = sizeOf(tensor.dims);
  return tensor.data.length === size ? tensor.data : new Float64Array(size).fill(tensor.data[0]!);
}

/** Room for a result, or `undefined` where it would be too large to compute. */
export function allocate(dims: readonly number[]): Float64Array | undefined {
  const size = sizeOf(dims);
  return size <= MOST_ELEMENTS ? new Float64Array(size) : undefined;
}

export function reshaped(tensor: ProbeTensor, dims: readonly number[]): ProbeTensor {
  if (sizeOf(dims) !== sizeOf(tensor.dims)) {
    throw new Error(`can't reshape [${tensor.dims.join(', ')}] to [${dims.join(', ')}]`);
  }
  return { ...tensor, dims };
}

/** Distance in memory between neighbours along each dimension. */
export function stridesOf(dims: readonly number[]): number[] {
  const strides = dims.map(() => 1);
  for (let i = dims.length - 2; i >= 0; i--) strides[i] = strides[i + 1]! * dims[i + 1]!;
  return strides;
}

/** Another arrangement of the same elements: what transposing, slicing and broadcasting come down to. */
export function strided(
  tensor: ProbeTensor,
  dims: readonly number[],
  strides: readonly number[],
  offset = 0,
): ProbeTensor {
  if (isUniform(tensor)) return { ...tensor, dims };
  const out = allocate(dims);
  if (out === undefined) return unknown(dims);
  const { data, integer } = tensor;
  const coordinates = dims.map(() => 0);
  let source = offset;
  for (let i = 0; i < out.length; i++) {
    out[i] = data[source]!;
    for (let d = dims.length - 1; d >= 0; d--) {
      source += strides[d]!;
      if (++coordinates[d]! < dims[d]!) break;
      source -= strides[d]! * dims[d]!;
      coordinates[d] = 0;
    }
  }
  return { dims, data: out, integer };
}

export function broadcastDims(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map(({ length }) => length));
  return Array.from({ length: rank }, (_, i) => {
    const sizes = shapes.map((dims) => dims[i - rank + dims.length] ?? 1);
    const size = sizes.find((dim) => dim !== 1) ?? 1;
    if (sizes.some((dim) => dim !== 1 && dim !== size))
      throw new Error(`can't broadcast ${sizes.join(', ')}`);
    return size;
  });
}

export function broadcastTo(tensor: ProbeTensor, dims: readonly number[]): ProbeTensor {
  const { length } = tensor.dims;
  if (length === dims.length && tensor.dims.every((dim, i) => dim === dims[i])) return tensor;
  const own = stridesOf(tensor.dims);
  const strides = dims.map((_, i) => {
    const axis = i - dims.length + length;
    return axis < 0 || tensor.dims[axis] === 1 ? 0 : own[axis]!;
  });
  return strided(tensor, dims, strides);
}

/** Applies a function element by element, with broadcasting. */
export function mapTensors(
  tensors: readonly ProbeTensor[],
  apply: (...values: number[]) => number,
  integer: boolean,
): ProbeTensor {
  const dims = broadcastDims(tensors.map((tensor) => tensor.dims));
  if (tensors.every(isUniform)) {
    return uniform(dims, apply(...tensors.map(({ data }) => data[0]!)), integer);
  }
  const out = allocate(dims);
  // what has an operand that is not known at all is not worth the time
  if (out === undefined || tensors.some(isUnknown)) return { ...unknown(dims), integer };
  const [a, b, c] = tensors.map((tensor) => broadcastTo(tensor, dims).data);
  for (let i = 0; i < out.length; i++) {
    if (c !== undefined) out[i] = apply(at(a!, i), at(b!, i), at(c, i));
    else if (b !== undefined) out[i] = apply(at(a!, i), at(b, i));
    else out[i] = apply(at(a!, i));
  }
  return { dims, data: out, integer };
}

/** `-1` counts from the end. */
export function axisOf(axis: number, rank: number): number {
  const normal = axis < 0 ? axis + rank : axis;
  if (normal < 0 || normal >= Math.max(rank, 1)) throw new Error(`there is no axis ${axis}`);
  return normal;
}

/** A uniform operand keeps its one element. */
function at(data: Float64Array, i: number): number {
  return data.length === 1 ? data[0]! : data[i]!;
}

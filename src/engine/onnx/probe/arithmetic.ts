import { floatOf, intOf, intsOf } from '../graph-view.js';
import { DataType } from '../proto/index.js';
import type { Operators } from './operator.js';
import {
  allocate,
  axisOf,
  broadcastDims,
  broadcastTo,
  elements,
  integers,
  isUnknown,
  mapTensors,
  sizeOf,
  strided,
  stridesOf,
  unknown,
  type ProbeTensor,
} from './tensor.js';

/** A comparison with an unknown number is itself unknown. */
const test = (holds: (a: number, b: number) => boolean): Operators[string] => {
  const apply = (a: number, b: number) => (Number.isNaN(a) || Number.isNaN(b) ? NaN : Number(holds(a, b)));
  return (_, [a, b]) => [mapTensors([a!, b!], apply, true)];
};

const unary =
  (apply: (a: number) => number): Operators[string] =>
  (_, [a]) => [mapTensors([a!], apply, a!.integer)];

const binary =
  (apply: (a: number, b: number) => number): Operators[string] =>
  (_, [a, b]) => [mapTensors([a!, b!], apply, a!.integer)];

const variadic =
  (apply: (a: number, b: number) => number): Operators[string] =>
  (_, inputs) => [
    inputs.slice(1).reduce<ProbeTensor>((a, b) => mapTensors([a, b!], apply, a.integer), inputs[0]!),
  ];

/** Element-wise operators, reductions and products, as the ONNX specification has them. */
export const ARITHMETIC: Operators = {
  Add: binary((a, b) => a + b),
  Sub: binary((a, b) => a - b),
  Mul: binary((a, b) => a * b),
  Div: (_, [a, b]) => [
    mapTensors([a!, b!], a!.integer ? (x, y) => Math.trunc(x / y) : (x, y) => x / y, a!.integer),
  ],
  Mod: (node, [a, b]) => {
    const truncating = intOf(node, 'fmod', 0) === 1;
    return [mapTensors([a!, b!], truncating ? (x, y) => x % y : flooredRemainder, a!.integer)];
  },
  Pow: binary((a, b) => a ** b),
  Min: variadic(Math.min),
  Max: variadic(Math.max),
  Neg: unary((a) => -a),
  Abs: unary(Math.abs),
  Sqrt: unary(Math.sqrt),
  Reciprocal: unary((a) => 1 / a),
  Exp: unary(Math.exp),
  Log: unary(Math.log),
  Cos: unary(Math.cos),
  Sin: unary(Math.sin),
  Tanh: unary(Math.tanh),
  Floor: unary(Math.floor),
  Ceil: unary(Math.ceil),
  Less: test((a, b) => a < b),
  LessOrEqual: test((a, b) => a <= b),
  Greater: test((a, b) => a > b),
  GreaterOrEqual: test((a, b) => a >= b),
  Equal: test((a, b) => a === b),
  And: test((a, b) => a !== 0 && b !== 0),
  Or: test((a, b) => a !== 0 || b !== 0),
  Xor: test((a, b) => (a !== 0) !== (b !== 0)),
  Not: unary((a) => (Number.isNaN(a) ? NaN : Number(a === 0))),
  // NaN means unknown here, and whether that is a number is unknown, too
  IsNaN: (_, [a]) => [mapTensors([a!], (x) => (Number.isNaN(x) ? NaN : 0), true)],
  Where: (_, [condition, a, b]) => [
    mapTensors([condition!, a!, b!], (c, x, y) => (Number.isNaN(c) ? NaN : c !== 0 ? x : y), a!.integer),
  ],
  Cast: (node, [a]) => [cast(a!, intOf(node, 'to', 0))],
  ReduceSum: reduction((values) => values.reduce((a, b) => a + b, 0)),
  ReduceProd: reduction((values) => values.reduce((a, b) => a * b, 1)),
  ReduceMax: reduction((values) => Math.max(...values)),
  ReduceMin: reduction((values) => Math.min(...values)),
  ReduceMean: reduction((values) => values.reduce((a, b) => a + b, 0) / values.length),
  CumSum: (node, [a, axis]) => [
    cumulativeSum(a!, axisOf(axis!.data[0]!, a!.dims.length), intOf(node, 'exclusive', 0) === 1),
  ],
  Softmax: (node, [a]) => [softmax(a!, axisOf(intOf(node, 'axis', -1), a!.dims.length))],
  MatMul: (_, [a, b]) => [matMul(a!, b!)],
  FusedMatMul: (node, [a, b]) => {
    if (intOf(node, 'transA', 0) === 1) throw new Error('transA');
    const right = intOf(node, 'transB', 0) === 1 ? transposed(b!) : b!;
    const alpha = floatOf(node, 'alpha', 1);
    return [mapTensors([matMul(a!, right)], (value) => value * alpha, false)];
  },
};

function flooredRemainder(a: number, b: number): number {
  return a - Math.floor(a / b) * b;
}

function cast(tensor: ProbeTensor, to: DataType): ProbeTensor {
  switch (to) {
    case DataType.FLOAT:
    case DataType.FLOAT16:
    case DataType.BFLOAT16:
    case DataType.DOUBLE:
      return { ...tensor, integer: false };
    case DataType.BOOL:
      return mapTensors([tensor], (a) => (Number.isNaN(a) ? NaN : Number(a !== 0)), true);
    default:
      return mapTensors([tensor], Math.trunc, true);
  }
}

function reduction(reduce: (values: number[]) => number): Operators[string] {
  return (node, [input, axesInput]) => {
    const { dims, integer } = input!;
    const given = axesInput === undefined ? intsOf(node, 'axes') : [...elements(axesInput)];
    const none = given === undefined || given.length === 0;
    if (none && intOf(node, 'noop_with_empty_axes', 0) === 1) return [input!];
    const axes = none ? dims.map((_, i) => i) : given.map((axis) => axisOf(axis, dims.length));
    const kept = dims.map((dim, i) => (axes.includes(i) ? 1 : dim));
    const out = intOf(node, 'keepdims', 1) === 1 ? kept : dims.filter((_, i) => !axes.includes(i));
    if (isUnknown(input!)) return [unknown(out)];
    const groups = Array.from({ length: sizeOf(kept) }, (): number[] => []);
    // each element's group: the index of its position with the reduced axes left out
    const strides = stridesOf(kept).map((stride, i) => (kept[i] === 1 ? 0 : stride));
    const groupOf = strided(integers([...groups.keys()], kept), dims, strides);
    const values = elements(input!);
    elements(groupOf).forEach((group, i) => groups[group]!.push(values[i]!));
    return [{ dims: out, data: Float64Array.from(groups, reduce), integer }];
  };
}

function cumulativeSum(tensor: ProbeTensor, axis: number, exclusive: boolean): ProbeTensor {
  const data = Float64Array.from(elements(tensor));
  const stride = stridesOf(tensor.dims)[axis]!;
  const length = tensor.dims[axis]!;
  for (let i = 0; i < data.length; i++) {
    if (Math.floor(i / stride) % length > 0) data[i]! += data[i - stride]!;
  }
  if (exclusive) elements(tensor).forEach((value, i) => (data[i]! -= value));
  return { ...tensor, data };
}

function softmax(tensor: ProbeTensor, axis: number): ProbeTensor {
  if (isUnknown(tensor)) return tensor;
  if (axis !== tensor.dims.length - 1) throw new Error('softmax over another axis than the last');
  const data = Float64Array.from(elements(tensor));
  const length = tensor.dims[axis]!;
  for (let row = 0; row < data.length; row += length) {
    const values = data.subarray(row, row + length);
    const most = values.reduce((a, b) => Math.max(a, b), -Infinity);
    const sum = values.reduce((total, value) => total + Math.exp(value - most), 0);
    values.forEach((value, i) => (values[i] = Math.exp(value - most) / sum));
  }
  return { ...tensor, data };
}

/** Above this many multiplications a product counts as not known. */
const MOST_PRODUCTS = 2 ** 24;

function matMul(a: ProbeTensor, b: ProbeTensor): ProbeTensor {
  if (a.dims.length < 2 || b.dims.length < 2) throw new Error('a product with a vector');
  const [m, inner] = a.dims.slice(-2) as [number, number];
  const [rows, n] = b.dims.slice(-2) as [number, number];
  if (inner !== rows) throw new Error(`can't multiply ${m} x ${inner} by ${rows} x ${n}`);
  const batch = broadcastDims([a.dims.slice(0, -2), b.dims.slice(0, -2)]);
  const dims = [...batch, m, n];
  const out = allocate(dims);
  if (isUnknown(a) || isUnknown(b) || out === undefined || out.length * inner > MOST_PRODUCTS)
    return unknown(dims);
  const left = elements(broadcastTo(a, [...batch, m, inner]));
  const right = elements(broadcastTo(b, [...batch, inner, n]));
  for (let i = 0; i < out.length; i++) {
    const row = Math.floor(i / n);
    const start = Math.floor(row / m) * inner * n + (i % n);
    for (let k = 0; k < inner; k++) out[i]! += left[row * inner + k]! * right[start + k * n]!;
  }
  return { dims, data: out, integer: a.integer };
}

function transposed(tensor: ProbeTensor): ProbeTensor {
  return strided(tensor, swap(tensor.dims), swap(stridesOf(tensor.dims)));
}

function swap(values: readonly number[]): number[] {
  return [...values.slice(0, -2), values.at(-1)!, values.at(-2)!];
}

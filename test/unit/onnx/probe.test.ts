import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { GraphView } from '../../../src/engine/onnx/graph-view.js';
import { Prober } from '../../../src/engine/onnx/probe/probe.js';
import { elements, unknown } from '../../../src/engine/onnx/probe/tensor.js';
import {
  DataType,
  encodeModel,
  float,
  float32Tensor,
  int,
  int64Tensor,
  ints,
  makeModel,
  makeNode,
  makeTensor,
  MICROSOFT,
  tensorValue,
  valueInfo,
  type AttributeValue,
  type TensorProto,
} from '../../../src/engine/onnx/proto/index.js';

interface Case {
  readonly op: string;
  /** Constants; `''` leaves an input out. */
  readonly inputs: readonly (TensorProto | '')[];
  readonly attributes?: Record<string, AttributeValue>;
  readonly result?: DataType;
  readonly outputs?: number;
}

const count = (size: number) => Array.from({ length: size }, (_, i) => i + 1);
const f = (dims: number[], values = count(dims.reduce((a, b) => a * b, 1)).map((i) => Math.sin(i * 3))) =>
  float32Tensor('', values, dims);
const i64 = (values: number[], dims: number[] = [values.length]) => int64Tensor('', values, dims);
const bool = (values: number[], dims: number[]) =>
  makeTensor('', DataType.BOOL, dims, Uint8Array.from(values));

const INT = { result: DataType.INT64 };
const BOOL = { result: DataType.BOOL };

const CASES: Record<string, Case> = {
  'Add, broadcast both ways': { op: 'Add', inputs: [f([2, 1, 3]), f([4, 1])] },
  'Sub of a scalar': { op: 'Sub', inputs: [i64([1, 2, 3]), i64([5], [])], ...INT },
  'Div of integers': { op: 'Div', inputs: [i64([-7, 7, 9]), i64([2])], ...INT },
  'Div of floats': { op: 'Div', inputs: [f([3]), f([3])] },
  Mod: { op: 'Mod', inputs: [i64([-7, 7, 5]), i64([4])], ...INT },
  'Mod, fmod': { op: 'Mod', inputs: [i64([-7, 7, 5]), i64([4])], attributes: { fmod: int(1) }, ...INT },
  Pow: { op: 'Pow', inputs: [f([3], [1, 2, 3]), f([1], [0.5])] },
  Neg: { op: 'Neg', inputs: [f([3])] },
  Min: { op: 'Min', inputs: [f([3]), f([1]), f([2, 3])] },
  Max: { op: 'Max', inputs: [f([3]), f([1])] },
  Tanh: { op: 'Tanh', inputs: [f([5])] },
  Less: { op: 'Less', inputs: [i64([1, 2, 3]), i64([2])], ...BOOL },
  GreaterOrEqual: { op: 'GreaterOrEqual', inputs: [f([2, 2]), f([2])], ...BOOL },
  Equal: { op: 'Equal', inputs: [i64([1, 2]), i64([2])], ...BOOL },
  And: { op: 'And', inputs: [bool([1, 0], [2, 1]), bool([1, 0], [2])], ...BOOL },
  Not: { op: 'Not', inputs: [bool([1, 0], [2])], ...BOOL },
  Where: { op: 'Where', inputs: [bool([1, 0, 1], [3]), f([2, 1]), f([1])] },
  'Cast to integers': {
    op: 'Cast',
    inputs: [f([4], [-1.5, 1.5, 0.2, 3])],
    attributes: { to: int(DataType.INT64) },
    ...INT,
  },
  'Cast to booleans': { op: 'Cast', inputs: [i64([0, 2])], attributes: { to: int(DataType.BOOL) }, ...BOOL },
  'ReduceSum of an axis': { op: 'ReduceSum', inputs: [f([2, 3, 2]), i64([-2])] },
  'ReduceSum of axes, dropped': {
    op: 'ReduceSum',
    inputs: [f([2, 3, 2]), i64([0, 2])],
    attributes: { keepdims: int(0) },
  },
  'ReduceMax of all': { op: 'ReduceMax', inputs: [f([2, 3])], attributes: { keepdims: int(0) } },
  'ReduceMean by attribute': { op: 'ReduceMean', inputs: [f([2, 3])], attributes: { axes: ints([1]) } },
  CumSum: { op: 'CumSum', inputs: [i64(count(6), [2, 3]), i64([1], [])], ...INT },
  'CumSum of rows, exclusive': {
    op: 'CumSum',
    inputs: [i64(count(6), [2, 3]), i64([0], [])],
    attributes: { exclusive: int(1) },
    ...INT,
  },
  Softmax: { op: 'Softmax', inputs: [f([2, 3])] },
  'MatMul of batches': { op: 'MatMul', inputs: [f([2, 1, 3, 4]), f([2, 4, 2])] },
  FusedMatMul: {
    op: 'FusedMatMul',
    inputs: [f([2, 3, 4]), f([2, 2, 4])],
    attributes: { transB: int(1), alpha: float(0.5) },
  },
  'Shape of a part': {
    op: 'Shape',
    inputs: [f([2, 3, 4])],
    attributes: { start: int(1), end: int(-1) },
    ...INT,
  },
  Size: { op: 'Size', inputs: [f([2, 3])], ...INT },
  'Reshape with 0 and -1': { op: 'Reshape', inputs: [f([2, 3, 4]), i64([0, -1, 2])] },
  Flatten: { op: 'Flatten', inputs: [f([2, 3, 4])], attributes: { axis: int(2) } },
  Unsqueeze: { op: 'Unsqueeze', inputs: [f([2, 3]), i64([0, -1])] },
  'Squeeze of all': { op: 'Squeeze', inputs: [f([1, 2, 1])] },
  'Squeeze of one': { op: 'Squeeze', inputs: [f([1, 2, 1]), i64([-1])] },
  Transpose: { op: 'Transpose', inputs: [f([2, 3, 4])], attributes: { perm: ints([2, 0, 1]) } },
  'Transpose of all': { op: 'Transpose', inputs: [f([2, 3, 4])] },
  Expand: { op: 'Expand', inputs: [f([3, 1]), i64([2, 1, 4])] },
  Tile: { op: 'Tile', inputs: [f([2, 3]), i64([2, 3])] },
  Concat: { op: 'Concat', inputs: [f([2, 1, 2]), f([2, 3, 2])], attributes: { axis: int(-2) } },
  Slice: { op: 'Slice', inputs: [f([4, 5]), i64([-3, 1]), i64([2 ** 40, -1]), i64([0, 1])] },
  'Slice backwards': { op: 'Slice', inputs: [f([4, 5]), i64([-1]), i64([-(2 ** 40)]), i64([1]), i64([-2])] },
  Split: { op: 'Split', inputs: [f([2, 5]), i64([2, 3])], attributes: { axis: int(1) }, outputs: 2 },
  'Gather of rows': { op: 'Gather', inputs: [f([3, 2]), i64([2, 0, -1], [3, 1])] },
  'Gather of a column': { op: 'Gather', inputs: [f([3, 2]), i64([1], [])], attributes: { axis: int(1) } },
  GatherND: { op: 'GatherND', inputs: [f([3, 2, 2]), i64([2, 0, 0, 1], [2, 2])] },
  ScatterND: { op: 'ScatterND', inputs: [f([3, 2]), i64([2, 0], [2, 1]), f([2, 2])] },
  Range: { op: 'Range', inputs: [i64([3], []), i64([10], []), i64([3], [])], ...INT },
  'Range downwards': { op: 'Range', inputs: [i64([3], []), i64([-2], []), i64([-2], [])], ...INT },
  ConstantOfShape: {
    op: 'ConstantOfShape',
    inputs: [i64([2, 2])],
    attributes: { value: tensorValue(i64([7])) },
    ...INT,
  },
  'Trilu, upper': { op: 'Trilu', inputs: [f([3, 4]), i64([1], [])] },
  'Trilu, lower': { op: 'Trilu', inputs: [f([2, 3, 3]), i64([-1], [])], attributes: { upper: int(0) } },
};

describe('a probe computes what ONNX Runtime computes', () => {
  it.each(Object.entries(CASES))(
    '%s',
    async (_name, { op, inputs, attributes = {}, result = DataType.FLOAT, outputs = 1 }) => {
      const initializers = inputs.flatMap((tensor, i) =>
        tensor === '' ? [] : [{ ...tensor, name: `in${i}` }],
      );
      const names = inputs.map((tensor, i) => (tensor === '' ? '' : `in${i}`));
      const results = Array.from({ length: outputs }, (_, i) => `out${i}`);
      const model = makeModel({
        nodes: [makeNode(op, names, results, attributes, op === 'FusedMatMul' ? MICROSOFT : '')],
        inputs: [],
        outputs: results.map((name) => valueInfo(name, result, [])),
        initializers,
      });
      for (const { type } of model.graph!.output)
        if (type?.value.case === 'tensorType') delete type.value.value.shape;
      const session = await InferenceSession.create(encodeModel(model), { logSeverityLevel: 3 });
      const expected = await session.run({});
      const probe = new Prober(new GraphView(model.graph!)).run(new Map());
      for (const name of results) {
        const { dims, data } = expected[name] as Tensor;
        const actual = probe.get(name)!;
        expect(actual.dims).toEqual(dims);
        const values = Array.from(data as Float32Array, Number);
        elements(actual).forEach((value, i) => expect(value).toBeCloseTo(values[i]!, 5));
      }
    },
  );
});

describe('what a probe does not know', () => {
  const run = (op: string, x: ReturnType<typeof unknown>, others: TensorProto[] = [], attributes = {}) => {
    const model = makeModel({
      nodes: [makeNode(op, ['x', ...others.map((_, i) => `c${i}`)], ['y'], attributes)],
      inputs: [],
      outputs: [],
      initializers: others.map((tensor, i) => ({ ...tensor, name: `c${i}` })),
    });
    return new Prober(new GraphView(model.graph!)).run(new Map([['x', x]])).get('y');
  };

  it('stays unknown when it is compared', () => {
    for (const op of ['Less', 'Equal', 'Or']) {
      expect([...elements(run(op, unknown([2]), [f([2])])!)]).toEqual([NaN, NaN]);
    }
    expect([...elements(run('IsNaN', unknown([1]))!)]).toEqual([NaN]);
  });

  it('keeps its dimensions, however large', () => {
    expect(run('Transpose', unknown([1, 8, 2 ** 20, 64]), [], { perm: ints([0, 1, 3, 2]) })?.dims).toEqual([
      1,
      8,
      64,
      2 ** 20,
    ]);
    expect(run('MatMul', unknown([1, 5, 64]), [f([64, 3])])?.dims).toEqual([1, 5, 3]);
  });

  it('is nothing at all behind an operator that is not listed', () => {
    expect(run('Hardmax', unknown([2]))).toBeUndefined();
    expect(run('Reshape', unknown([4]), [i64([3])])).toBeUndefined();
  });
});

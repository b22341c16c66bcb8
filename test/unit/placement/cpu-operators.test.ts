import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cpuOperatorIn } from '../../../src/engine/placement/cpu-operators.js';
import { makeIntegerOperator, writeChangedTales } from '../../support/changed-graph.js';
import { TALES } from '../../support/models.js';
import { temporaryFolder } from '../helpers/temporary-folder.js';

const FILE = 'onnx/model_quantized.onnx';

it('finds what runs on the CPU wherever the graph is', () => {
  const folder = temporaryFolder();
  writeChangedTales(folder, makeIntegerOperator);
  expect(cpuOperatorIn(join(folder, FILE))).toBe('DynamicQuantizeLinear');
});

it('finds nothing in 8 bits in blocks, nor in what is no graph', () => {
  expect(cpuOperatorIn(join(TALES.source, FILE))).toBeUndefined();
  expect(cpuOperatorIn(join(TALES.source, 'config.json'))).toBeUndefined();
  expect(cpuOperatorIn(join(TALES.source, 'nowhere.onnx'))).toBeUndefined();
});

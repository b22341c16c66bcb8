import { expect, it } from 'vitest';
import { pagedInputs } from '../../../src/engine/models/paged-inputs.js';

function listed(inputs: ReturnType<typeof pagedInputs>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(inputs).map(([name, { data, dims }]) => [
      name,
      { dims: [...dims], data: Array.from(data as Int32Array | BigInt64Array, Number) },
    ]),
  );
}

it('lays the tokens of all rows one behind the other', () => {
  const inputs = pagedInputs([
    { tokens: [7, 8, 9], past: 0, blocks: [4] },
    { tokens: [5], past: 20, blocks: [2, 6] },
  ]);
  expect(listed(inputs)).toEqual({
    input_ids: { dims: [1, 4], data: [7, 8, 9, 5] },
    position_ids: { dims: [1, 4], data: [0, 1, 2, 20] },
    last: { dims: [2], data: [2, 3] },
    starts: { dims: [3], data: [0, 3, 4] },
    past: { dims: [2], data: [0, 20] },
    table: { dims: [2, 2], data: [4, 0, 2, 6] },
    bounds: { dims: [2], data: [3, 21] },
  });
});

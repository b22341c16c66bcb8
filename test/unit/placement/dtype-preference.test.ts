import * as fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { chooseDtypes } from '../../../src/engine/placement/choose-dtypes.js';
import { DTYPE_PREFERENCE } from '../../../src/engine/placement/dtype-preference.js';
import { DEVICES, DTYPES, type ConcreteDevice, type ConcreteDtype } from '../../../src/engine/types.js';

const devices = DEVICES.filter((device) => device !== 'auto') as ConcreteDevice[];
const dtypes = DTYPES.filter((dtype) => dtype !== 'auto') as ConcreteDtype[];

/** Rows `| device, device | dtype, dtype |` of a table in a document. */
function tableIn(path: string): Record<string, string[]> {
  const text = readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');
  const rows = text.matchAll(/^\| (`\w+`(?:, `\w+`)*) +\| (`\w+`(?:, `\w+`)*) +\|/gm);
  const words = (cell: string): string[] => [...cell.matchAll(/\w+/g)].map(([word]) => word);
  return Object.fromEntries(
    [...rows].flatMap(([, names = '', order = '']) =>
      words(names)
        .filter((name) => (devices as string[]).includes(name))
        .map((name) => [name, words(order)]),
    ),
  );
}

it.each(['docs/devices.md', 'README.md'])('%s has the order that auto takes', (path) => {
  expect(tableIn(path)).toEqual(DTYPE_PREFERENCE);
});

it.each(devices)('every dtype has its place on %s', (device) => {
  expect(DTYPE_PREFERENCE[device].toSorted()).toEqual(dtypes.toSorted());
});

describe('dtype: auto', () => {
  it('takes one that is there, however few there are, and the same in whatever order they are found', () => {
    const permuted = fc
      .subarray(dtypes, { minLength: 1 })
      .chain((some) => fc.tuple(fc.constant(some), fc.shuffledSubarray(some, { minLength: some.length })));
    fc.assert(
      fc.property(permuted, fc.constantFrom(...devices), ([available, shuffled], device) => {
        const order = chooseDtypes('auto', available, device);
        expect(order.toSorted()).toEqual(available.toSorted());
        expect(chooseDtypes('auto', shuffled, device)).toEqual(order);
      }),
    );
  });

  it.each([
    ['cpu', ['fp32', 'q8', 'q4'], 'q8'],
    ['cpu', ['fp32', 'q4', 'fp16'], 'fp32'],
    ['cpu', ['q4', 'fp16'], 'q4'],
    ['cpu', ['uint8', 'int8'], 'int8'],
    ['webgpu', ['fp32', 'q8', 'q4', 'fp16'], 'fp16'],
    ['webgpu', ['fp32', 'q8', 'q4'], 'q4'],
    ['webgpu', ['fp32', 'q8'], 'q8'],
    ['cuda', ['fp32', 'uint8'], 'uint8'],
  ] as [ConcreteDevice, ConcreteDtype[], ConcreteDtype][])(
    'prefers on %s, of %o, %s',
    (device, available, best) => {
      expect(chooseDtypes('auto', available, device)[0]).toBe(best);
    },
  );

  it('says so if there are no weights at all', () => {
    expect(() => chooseDtypes('auto', [], 'cpu')).toThrow('no ONNX weights');
    expect(() => chooseDtypes('q4', [], 'cpu')).toThrow('Available: none');
  });
});

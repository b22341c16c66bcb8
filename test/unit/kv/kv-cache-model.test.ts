import * as fc from 'fast-check';
import { describe, it } from 'vitest';
import { KvMachine, type Operation } from './kv-machine.js';

const number = fc.nat({ max: 11 });
/** Few different ones, so that rows often start alike. */
const texts = fc.array(fc.constantFrom(1, 2), { maxLength: 13 });

const operation: fc.Arbitrary<Operation> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('open' as const), tokens: texts }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('resume' as const), past: number, tokens: texts }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('reserve' as const), row: number, count: fc.nat({ max: 9 }) }),
  },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('write' as const), row: number, tokens: texts }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('activate' as const),
      rows: fc.array(number, { maxLength: 8 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('close' as const), row: number }) },
);

const options = fc.record({
  blocks: fc.integer({ min: 1, max: 40 }),
  blockTokens: fc.integer({ min: 1, max: 3 }),
  prefixCaching: fc.constantFrom(true, true, false),
});

describe('KvCache against its reference', () => {
  it('keeps content, counts, hits, evictions and the active region as they should be', () => {
    fc.assert(
      fc.property(
        options,
        fc.array(operation, { maxLength: 80, size: 'max' }),
        (machineOptions, operations) => {
          const machine = new KvMachine(machineOptions);
          for (const next of operations) machine.run(next);
        },
      ),
      { numRuns: 500 },
    );
  });
});

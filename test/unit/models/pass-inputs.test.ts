import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { longest, passInputs, type PassRow } from '../../../src/engine/models/pass-inputs.js';
import { reader, valuesOf } from './tensors.js';

const MASKED = Math.fround(-1e9);

interface Pass {
  readonly rows: readonly PassRow[];
  readonly blockTokens: number;
  readonly blockCount: number;
}

const blockTokens = fc.integer({ min: 1, max: 4 });

/** Rows whose blocks together are all that the pass is fed with, in any order; some have room that is not written yet. */
const passes: fc.Arbitrary<Pass> = fc
  .record({
    blockTokens,
    drafts: fc.array(
      fc.record({
        tokens: fc.array(fc.nat(2 ** 31 - 1), { minLength: 1, maxLength: 5 }),
        past: fc.nat(9),
        reserved: fc.nat(2),
      }),
      { minLength: 1, maxLength: 5 },
    ),
    order: fc.infiniteStream(fc.nat()),
  })
  .map(({ blockTokens: size, drafts, order }) => {
    const counts = drafts.map(({ past, reserved }) => Math.ceil(past / size) + reserved);
    const blockCount = counts.reduce((a, b) => a + b, 0);
    const positions = Array.from({ length: blockCount }, (_, i) => ({ i, at: order.next().value as number }))
      .toSorted((a, b) => a.at - b.at)
      .map(({ i }) => i);
    const rows = drafts.map(({ tokens, past }, row) => ({
      tokens,
      past,
      blocks: positions.splice(0, counts[row]),
    }));
    return { rows, blockTokens: size, blockCount };
  });

function expectOfAll(check: (inputs: ReturnType<typeof passInputs>, pass: Pass) => void): void {
  fc.assert(
    fc.property(passes, (pass) => check(passInputs(pass.rows, pass.blockTokens, pass.blockCount), pass)),
    { numRuns: 300 },
  );
}

describe('passInputs', () => {
  it('puts two rows that decode side by side', () => {
    const rows = [
      { tokens: [7], past: 3, blocks: [2, 0] },
      { tokens: [9], past: 1, blocks: [1] },
    ];
    const inputs = passInputs(rows, 2, 3);
    const shapes = Object.fromEntries(
      Object.entries(inputs).map(([name, { type, dims }]) => [name, [type, ...dims]]),
    );
    expect(shapes).toEqual({
      input_ids: ['int64', 2, 1],
      position_ids: ['int64', 2, 1],
      last: ['int64', 2, 1, 1],
      mask: ['float32', 2, 1, 1, 5],
      valid: ['float32', 2, 1, 2],
      table: ['int64', 2, 2],
      block_row: ['int64', 3],
      block_slot: ['int64', 3],
    });
    expect(valuesOf(inputs['input_ids'])).toEqual([7, 9]);
    expect(valuesOf(inputs['position_ids'])).toEqual([3, 1]);
    expect(valuesOf(inputs['last'])).toEqual([0, 0]);
    // the new token, then the past
    expect(valuesOf(inputs['mask'])).toEqual([0, 0, 0, 0, MASKED, 0, 0, MASKED, MASKED, MASKED]);
    expect(valuesOf(inputs['valid'])).toEqual([1, 1, 1, 0]);
    expect(valuesOf(inputs['table'])).toEqual([2, 0, 1, 1]);
    expect(valuesOf(inputs['block_row'])).toEqual([0, 1, 0]);
    expect(valuesOf(inputs['block_slot'])).toEqual([1, 2, 0]);
  });

  it('fills a shorter prompt up on the right', () => {
    const rows = [
      { tokens: [4, 5, 6], past: 0, blocks: [] },
      { tokens: [8], past: 0, blocks: [] },
    ];
    const inputs = passInputs(rows, 1, 1);
    expect(valuesOf(inputs['input_ids'])).toEqual([4, 5, 6, 8, 0, 0]);
    expect(valuesOf(inputs['position_ids'])).toEqual([0, 1, 2, 0, 1, 2]);
    expect(valuesOf(inputs['last'])).toEqual([2, 0]);
    const causal = [0, MASKED, MASKED, MASKED, 0, 0, MASKED, MASKED, 0, 0, 0, MASKED];
    expect(valuesOf(inputs['mask'])).toEqual([...causal, ...causal]);
    // the block that the graph needs although there is no past is nobody's
    expect(valuesOf(inputs['valid'])).toEqual([0, 0]);
    expect(inputs['table']?.dims).toEqual([2, 1]);
    expect(valuesOf(inputs['block_row'])).toEqual([0]);
  });

  it('has each row at its positions, and asks for what is behind its last token', () => {
    expectOfAll((inputs, { rows }) => {
      const ids = reader(inputs['input_ids']);
      const positions = reader(inputs['position_ids']);
      const last = reader(inputs['last']);
      for (const [row, { tokens, past }] of rows.entries()) {
        for (const [i, token] of tokens.entries()) {
          expect([ids(row, i), positions(row, i)]).toEqual([token, past + i]);
        }
        expect(last(row, 0, 0)).toBe(tokens.length - 1);
      }
    });
  });

  it('lets each token see the new ones up to itself and the whole past, and nothing else', () => {
    expectOfAll((inputs, { rows, blockTokens: size }) => {
      const mask = reader(inputs['mask']);
      const steps = longest(rows.map(({ tokens }) => tokens));
      const width = Math.max(1, longest(rows.map(({ blocks }) => blocks)));
      expect(inputs['mask']?.dims).toEqual([rows.length, 1, steps, steps + width * size]);
      for (const [row, { past }] of rows.entries()) {
        for (let step = 0; step < steps; step++) {
          for (let i = 0; i < steps; i++) expect(mask(row, 0, step, i)).toBe(i <= step ? 0 : MASKED);
          for (let i = 0; i < width * size; i++) {
            expect(mask(row, 0, step, steps + i)).toBe(i < past ? 0 : MASKED);
          }
        }
      }
    });
  });

  it('names each block of a row in order, and for each block its row and place: both ways the same', () => {
    expectOfAll((inputs, { rows, blockCount }) => {
      const [table, valid] = [reader(inputs['table']), reader(inputs['valid'])];
      const [blockRow, blockSlot] = [reader(inputs['block_row']), reader(inputs['block_slot'])];
      const width = inputs['table']?.dims[1] as number;
      expect(inputs['block_row']?.dims).toEqual([blockCount]);
      for (const [row, { blocks }] of rows.entries()) {
        for (let place = 0; place < width; place++) {
          expect(valid(row, 0, place)).toBe(place < blocks.length ? 1 : 0);
          // also where no block is, the graph looks one up
          if (blockCount > 0) expect(table(row, place)).toBeLessThan(blockCount);
          if (place >= blocks.length) continue;
          const block = table(row, place);
          expect(block).toBe(blocks[place]);
          expect([blockRow(block), blockSlot(block)]).toEqual([row, row * width + place]);
        }
      }
    });
  });
});

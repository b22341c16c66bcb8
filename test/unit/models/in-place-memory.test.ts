import * as fc from 'fast-check';
import { Tensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import {
  bytesPerToken,
  InPlaceMemory,
  type LayerShape,
  type TokenPlace,
} from '../../../src/engine/models/in-place-memory.js';
import { reader } from './tensors.js';

const LAYERS: readonly LayerShape[] = [
  { kvHeads: 2, headDim: 3 },
  { kvHeads: 1, headDim: 4 },
];
const KINDS = ['key', 'value'] as const;
const BLOCKS = 5;
const BLOCK_TOKENS = 3;

/** What is in the memory, written down plainly: a number for each element of each token. */
class Reference {
  readonly #elements = new Map<string, number>();

  at(plane: string, block: number, head: number, token: number, i: number): number {
    return this.#elements.get([plane, block, head, token, i].join()) ?? 0;
  }

  set(plane: string, block: number, head: number, token: number, i: number, value: number): void {
    this.#elements.set([plane, block, head, token, i].join(), value);
  }
}

interface Plane extends LayerShape {
  readonly name: string;
}

const PLANES: readonly Plane[] = LAYERS.flatMap((layer, i) =>
  KINDS.map((kind) => ({ name: `${i}.${kind}`, ...layer })),
);

function eachElement(
  plane: Plane,
  visit: (head: number, token: number, i: number) => void,
  tokens = BLOCK_TOKENS,
) {
  for (let head = 0; head < plane.kvHeads; head++) {
    for (let token = 0; token < tokens; token++) {
      for (let i = 0; i < plane.headDim; i++) visit(head, token, i);
    }
  }
}

const place = fc.record<TokenPlace>({ block: fc.nat(BLOCKS - 1), offset: fc.nat(BLOCK_TOKENS - 1) });
const block = fc.nat(BLOCKS - 1);

const operation = fc.oneof(
  fc.record({
    kind: fc.constant('write' as const),
    /** Rows of one pass write to places of their own. */
    rows: fc
      .uniqueArray(place, {
        selector: (each) => each.block * BLOCK_TOKENS + each.offset,
        minLength: 1,
        maxLength: 8,
      })
      .chain((places) =>
        fc.array(fc.nat(places.length), { maxLength: 3 }).map((cuts) => {
          const ends = [...cuts.toSorted((a, b) => a - b), places.length];
          return ends.map((end, i) => places.slice(ends[i - 1] ?? 0, end));
        }),
      ),
    padding: fc.nat(2),
    seed: fc.nat(1000),
  }),
  fc.record({ kind: fc.constantFrom('copy' as const, 'swap' as const), a: block, b: block }),
);

type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

/** What a pass returns: each element of it another number. */
function outputsOf(rows: number, steps: number, seed: number): Record<string, Tensor> {
  return Object.fromEntries(
    PLANES.map(({ name, kvHeads, headDim }, plane) => {
      const data = Float32Array.from(
        { length: rows * kvHeads * steps * headDim },
        (_, i) => 1 + i + plane * 100 + seed * 1000,
      );
      return [`delta.${name}`, new Tensor('float32', data, [rows, kvHeads, steps, headDim])];
    }),
  );
}

function run(memory: InPlaceMemory, reference: Reference, next: Operation): void {
  if (next.kind === 'write') {
    const steps = Math.max(...next.rows.map(({ length }) => length)) + next.padding;
    const outputs = outputsOf(next.rows.length, steps, next.seed);
    memory.write(outputs, next.rows, steps);
    for (const plane of PLANES) {
      const read = reader(outputs[`delta.${plane.name}`]);
      for (const [row, places] of next.rows.entries()) {
        for (const [step, { block: to, offset }] of places.entries()) {
          // a block is cleared when its first token is written
          if (offset === 0)
            eachElement(plane, (head, token, i) => reference.set(plane.name, to, head, token, i, 0));
          eachElement(
            plane,
            (head, _, i) => reference.set(plane.name, to, head, offset, i, read(row, head, step, i)),
            1,
          );
        }
      }
    }
    return;
  }
  const { kind, a, b } = next;
  memory[kind](a, b);
  for (const plane of PLANES) {
    eachElement(plane, (head, token, i) => {
      const [ofA, ofB] = [a, b].map((each) => reference.at(plane.name, each, head, token, i)) as [
        number,
        number,
      ];
      reference.set(plane.name, b, head, token, i, ofA);
      if (kind === 'swap') reference.set(plane.name, a, head, token, i, ofB);
    });
  }
}

function expectAsWritten(memory: InPlaceMemory, reference: Reference): void {
  for (const count of [1, BLOCKS - 2, BLOCKS]) {
    const inputs = memory.blocks(count);
    expect(Object.keys(inputs)).toEqual(PLANES.map(({ name }) => `past_key_values.${name}`));
    for (const plane of PLANES) {
      const tensor = inputs[`past_key_values.${plane.name}`];
      expect(tensor?.dims).toEqual([count, plane.kvHeads, BLOCK_TOKENS, plane.headDim]);
      const read = reader(tensor);
      for (let at = 0; at < count; at++) {
        eachElement(plane, (head, token, i) => {
          expect(read(at, head, token, i)).toBe(reference.at(plane.name, at, head, token, i));
        });
      }
    }
  }
}

function expectJoined(memory: InPlaceMemory, reference: Reference, blocks: readonly number[]): void {
  const inputs = memory.joined(blocks);
  const tokens = blocks.length * BLOCK_TOKENS;
  for (const plane of PLANES) {
    const tensor = inputs[`past_key_values.${plane.name}`];
    expect(tensor?.dims).toEqual([1, plane.kvHeads, tokens, plane.headDim]);
    const read = reader(tensor);
    eachElement(
      plane,
      (head, token, i) => {
        const from = blocks[Math.floor(token / BLOCK_TOKENS)] as number;
        expect(read(0, head, token, i)).toBe(reference.at(plane.name, from, head, token % BLOCK_TOKENS, i));
      },
      tokens,
    );
  }
}

describe('InPlaceMemory', () => {
  it('gives back what was written, copied and swapped, block by block and joined', () => {
    const joins = fc.array(fc.shuffledSubarray([...Array(BLOCKS).keys()], { minLength: 1 }), {
      minLength: 1,
      maxLength: 3,
    });
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 12 }), joins, (operations, some) => {
        const memory = new InPlaceMemory(LAYERS, BLOCKS, BLOCK_TOKENS);
        const reference = new Reference();
        for (const next of operations) run(memory, reference, next);
        expectAsWritten(memory, reference);
        for (const blocks of some) expectJoined(memory, reference, blocks);
      }),
      { numRuns: 60 },
    );
  });

  it('swaps blocks of any size', () => {
    const layers = [{ kvHeads: 3, headDim: 101 }];
    const memory = new InPlaceMemory(layers, 2, 32);
    const size = 3 * 101 * 32;
    const all = memory.blocks(2)['past_key_values.0.key']?.data as Float32Array;
    const before = all.map((_, i) => (all[i] = i));
    memory.swap(0, 1);
    expect(all.subarray(0, size)).toEqual(before.subarray(size));
    expect(all.subarray(size)).toEqual(before.subarray(0, size));
  });

  it('hands out its blocks without a copy', () => {
    const memory = new InPlaceMemory(LAYERS, BLOCKS, BLOCK_TOKENS);
    const name = 'past_key_values.1.value';
    const few = memory.blocks(2)[name]?.data as Float32Array;
    const all = memory.blocks(BLOCKS)[name]?.data as Float32Array;
    few[3] = 42;
    expect(all[3]).toBe(42);
    expect(few.buffer).toBe(all.buffer);
  });

  it('has a form for no past at all', () => {
    const inputs = new InPlaceMemory(LAYERS, BLOCKS, BLOCK_TOKENS).nothing();
    const dims = PLANES.map(({ name }) => inputs[`past_key_values.${name}`]?.dims);
    expect(dims).toEqual(PLANES.map(({ kvHeads, headDim }) => [1, kvHeads, 1, headDim]));
  });

  it('counts the bytes of a token: keys and values of all layers', () => {
    expect(bytesPerToken(LAYERS)).toBe(4 * 2 * (2 * 3 + 1 * 4));
  });
});

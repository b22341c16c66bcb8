import { InferenceSession } from 'onnxruntime-node';
import { expect } from 'vitest';
import { encodeModel, type ModelProto } from '../../../../src/engine/onnx/proto/index.js';
import { rewriteGraph, type Rewriting } from '../../../../src/engine/onnx/rewrite-graph.js';
import { BlockDecoder, type Layout } from './block-decoder.js';
import { PlainDecoder } from './plain-decoder.js';

const OPTIONS: InferenceSession.SessionOptions = { intraOpNumThreads: 1, logSeverityLevel: 3 };

/** A model before and after. */
export interface Pair {
  /** A row of the unchanged graph. */
  readonly plain: () => PlainDecoder;
  readonly blocks: BlockDecoder;
  readonly rewriting: Extract<Rewriting, { kind: 'rewritten' }>;
}

export async function openPair(model: ModelProto): Promise<Pair> {
  const rewriting = rewriteGraph(model);
  if (rewriting.kind !== 'rewritten') throw new Error(rewriting.reason);
  const [before, after] = await Promise.all(
    [model, rewriting.model].map((each) => InferenceSession.create(encodeModel(each), OPTIONS)),
  );
  return {
    plain: () => new PlainDecoder(before!),
    blocks: new BlockDecoder(after!, rewriting.layers),
    rewriting,
  };
}

/** How far logits may be apart. */
export function expectClose(actual: Float32Array, expected: Float32Array, tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  const furthest = actual.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i]!)), 0);
  expect(furthest).toBeLessThan(tolerance);
}

/** Tokens that each row takes in each step; `[]`: it sits the step out. */
export type Script = readonly (readonly (readonly number[])[])[];

/** Prompts at once and in two chunks, rows of different length, filled up on the right, decoding together and in smaller company. */
export const SCRIPT: Script = [
  [[3, 1, 4, 1, 5, 9, 2], [6], [5, 3, 5, 8, 9]],
  [[7], [9, 3], [2, 3, 8, 4, 6, 2, 6]],
  [[4], [3], [3]],
  [[], [8], [3]],
  [[2], [7], []],
  [[9], [5], [0]],
];

/** Runs a script through both graphs and compares the logits of every row in every step. */
export async function expectSameLogits(
  { plain, blocks }: Pair,
  tolerance: number,
  layout: Layout,
  script: Script = SCRIPT,
): Promise<void> {
  const rows = script[0]!.map(() => ({ expected: plain(), cache: blocks.open() }));
  for (const step of script) {
    const taking = rows
      .map((row, i) => ({ ...row, tokens: step[i]! }))
      .filter(({ tokens }) => tokens.length > 0);
    const actual = await blocks.step(taking, layout);
    for (const [i, { expected, tokens }] of taking.entries()) {
      expectClose(actual[i]!, await expected.step(tokens), tolerance);
    }
  }
}

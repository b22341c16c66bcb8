import { describe, expect, it } from 'vitest';
import { StepLoop } from '../../src/engine/generation/step-loop.js';
import type { ForwardRow } from '../../src/engine/models/causal-model.js';
import { Recorder } from './helpers/recorder.js';
import { ScriptedModel, type TokenCache } from './helpers/scripted-model.js';
import { sequenceOf } from './helpers/sequences.js';
import { LIMITS, loopOf, type Options } from './helpers/step-loops.js';

/** A model that tells the most probable token by itself, and runs all rows together. */
class OwnChoice extends ScriptedModel {
  readonly mixesRows = true;
  chosen = 0;

  override passes<R extends ForwardRow<TokenCache>>(rows: readonly R[]): R[][] {
    return [[...rows]];
  }

  async best(rows: readonly ForwardRow<TokenCache>[]): Promise<number[]> {
    this.chosen++;
    const logits = await this.forward(rows);
    return logits.map((row) => row.indexOf(Math.max(...row)));
  }
}

async function run(all: readonly Options[]): Promise<{ model: OwnChoice; recorders: Recorder[] }> {
  const model = new OwnChoice();
  const loop = new StepLoop<TokenCache>(model, LIMITS, 'instance-1');
  const recorders = all.map((options) => {
    const recorder = new Recorder();
    loop.add(sequenceOf(options), recorder);
    return recorder;
  });
  await Promise.all(recorders.map(({ ended }) => ended));
  return { model, recorders };
}

describe('a model that finds the most probable token itself', () => {
  it('is asked for no more than that by greedy sequences, and they say the same', async () => {
    const options = [1, 2, 3].map((id) => ({ id, promptTokens: [id, 5], maxTokens: 6 }));
    const { model, recorders } = await run(options);
    expect(model.chosen).toBe(model.widths.length);
    const plain = loopOf();
    const expected = options.map((each) => plain.add(each));
    await Promise.all(expected.map(({ ended }) => ended));
    expect(recorders.map(({ tokens }) => tokens)).toEqual(expected.map(({ tokens }) => tokens));
  });

  it.each<[string, Partial<Options>]>([
    ['sampling', { temperature: 1, seed: 1 }],
    ['log-probabilities', { logprobs: 2 }],
    ['a bias', { logitBias: new Map([[3, 1]]) }],
    ['a penalty', { repetitionPenalty: 1.1 }],
    ['a least length', { minTokens: 2 }],
  ])('%s takes the logits', async (_, options) => {
    const { model } = await run([{ id: 1, promptTokens: [1], maxTokens: 4, ...options }]);
    expect(model.chosen).toBe(0);
  });

  it('one that samples beside greedy ones changes nothing for them', async () => {
    const greedy = { id: 1, promptTokens: [4, 2], maxTokens: 8 };
    const { recorders } = await run([
      greedy,
      { id: 2, promptTokens: [3], maxTokens: 3, temperature: 1, seed: 7 },
    ]);
    const alone = loopOf().add(greedy);
    await alone.ended;
    expect(recorders[0]?.tokens).toEqual(alone.tokens);
  });
});

it('rows that decode and pieces of prompts share a pass where the model takes them together', async () => {
  const { model } = await run([
    { id: 1, promptTokens: [1], maxTokens: 4 },
    { id: 2, promptTokens: [2, 2, 2, 2, 2, 2], maxTokens: 2 },
  ]);
  // the second one's prompt is run in two pieces, beside the first one's tokens
  expect(model.widths).toEqual([1, 2, 2, 2]);
});

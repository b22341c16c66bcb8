import { describe, expect, it } from 'vitest';
import type { FinishReason, GenerationEvent } from '../../src/engine/types.js';
import { collectRun, formatUsage, RunUsage } from '../../src/openai/generation-run.js';
import type { Indexed } from '../../src/openai/merge.js';

function token(index: number, text: string): Indexed<GenerationEvent> {
  return { index, item: { type: 'token', token: 1, text } };
}

function finish(index: number, finishReason: FinishReason, text: string): Indexed<GenerationEvent> {
  const usage = { promptTokens: 2, cachedTokens: 1, completionTokens: index + 1 };
  return { index, item: { type: 'finish', finishReason, text, usage } };
}

async function* eventsOf(
  events: readonly Indexed<GenerationEvent>[],
): AsyncGenerator<Indexed<GenerationEvent>> {
  yield* events;
}

describe('collectRun', () => {
  it('sorts interleaved events into one choice per prompt, in the order of the prompts', async () => {
    const start: GenerationEvent = { type: 'start', instanceId: 'i', promptTokens: 2 };
    const events = eventsOf([
      { index: 1, item: start },
      token(1, 'b'),
      { index: 0, item: start },
      token(0, 'a'),
      token(1, 'B'),
      finish(1, 'stop', ''),
      finish(0, 'length', '!'),
    ]);
    expect(await collectRun({ events, n: 1 })).toEqual({
      choices: [
        { index: 0, text: 'a!', finishReason: 'length', logprobs: [] },
        { index: 1, text: 'bB', finishReason: 'stop', logprobs: [] },
      ],
      usage: { promptTokens: 4, cachedTokens: 2, completionTokens: 3 },
    });
  });
});

describe('usage', () => {
  it('adds up, and has its total in the names of OpenAI', () => {
    const sum = new RunUsage(1);
    sum.add(0, { promptTokens: 1, cachedTokens: 0, completionTokens: 2 });
    sum.add(1, { promptTokens: 10, cachedTokens: 8, completionTokens: 20 });
    expect(formatUsage(sum.total)).toEqual({
      prompt_tokens: 11,
      completion_tokens: 22,
      total_tokens: 33,
      prompt_tokens_details: { cached_tokens: 8 },
    });
  });

  it('counts a prompt once, however many choices it has and whichever ends first', () => {
    const sum = new RunUsage(2);
    for (const index of [3, 1, 0, 2])
      sum.add(index, { promptTokens: index < 2 ? 5 : 7, cachedTokens: index, completionTokens: 1 });
    // of the first choice: the others find in the cache what it left there
    expect(sum.total).toEqual({ promptTokens: 12, cachedTokens: 2, completionTokens: 4 });
  });
});

import { describe, expect, it } from 'vitest';
import { collect } from '../../src/engine/collect.js';
import type { GenerationEvent } from '../../src/engine/types.js';

const EVENTS: readonly GenerationEvent[] = [
  { type: 'start', instanceId: 'i-1', promptTokens: 2 },
  { type: 'token', token: 1, text: 'Once ' },
  { type: 'token', token: 2, text: '' },
  { type: 'token', token: 3, text: 'upon' },
  {
    type: 'finish',
    finishReason: 'length',
    text: ' a',
    usage: { promptTokens: 2, cachedTokens: 1, completionTokens: 3 },
  },
];

async function* streamOf(events: readonly GenerationEvent[], error?: Error): AsyncGenerator<GenerationEvent> {
  yield* events;
  if (error) throw error;
}

describe('collect', () => {
  it('joins the text of all events, that of the finish included', async () => {
    expect(await collect(streamOf(EVENTS))).toEqual({
      text: 'Once upon a',
      finishReason: 'length',
      instanceId: 'i-1',
      usage: { promptTokens: 2, cachedTokens: 1, completionTokens: 3 },
    });
  });

  it('throws what the generation throws', async () => {
    await expect(collect(streamOf(EVENTS.slice(0, 2), new Error('gone')))).rejects.toThrow('gone');
  });

  it('throws if the generation ends without a finish', async () => {
    await expect(collect(streamOf(EVENTS.slice(0, -1)))).rejects.toMatchObject({ code: 'internal_error' });
  });
});

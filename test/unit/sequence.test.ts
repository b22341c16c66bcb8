import { describe, expect, it } from 'vitest';
import type { Sequence, SequenceOptions } from '../../src/engine/generation/sequence.js';
import type { GenerationEvent } from '../../src/engine/types.js';
import { encodeLetters } from './helpers/scripted-model.js';
import { sequenceOf } from './helpers/sequences.js';

const END = 63;

/** Logits that make a greedy sequence take this token. */
function choosing(token: number): Float32Array {
  const logits = new Float32Array(64);
  logits[token] = 1;
  return logits;
}

/** Has the sequence take these tokens, one pass each, until it finishes. */
function take(sequence: Sequence, tokens: readonly number[]): GenerationEvent[] {
  const events: GenerationEvent[] = [];
  for (const token of tokens) {
    events.push(...sequence.advance(sequence.nextInput(512).length, choosing(token)));
    if (events.at(-1)?.type === 'finish') break;
  }
  return events;
}

function spell(
  text: string,
  options: Partial<SequenceOptions>,
  ending: readonly number[] = [],
): GenerationEvent[] {
  const sequence = sequenceOf({ id: 1, maxTokens: 100, endOfSequence: new Set([END]), ...options });
  return take(sequence, [...encodeLetters(text), ...ending]);
}

/** Token 50 is the end of a stop string and the beginning of a character. */
function decodeUnfinished(tokens: readonly number[]): string {
  return tokens.includes(50) ? 'CD\uFFFD' : '';
}

function textOf(events: readonly GenerationEvent[]): string {
  return events.map((event) => (event.type === 'start' ? '' : event.text)).join('');
}

/** What a seed draws from 64 tokens of one probability. */
function draw(seed: number): GenerationEvent[] {
  const sequence = sequenceOf({ id: 1, temperature: 1, seed, maxTokens: 20 });
  return Array.from({ length: 20 }, () => sequence.advance(3, new Float32Array(64))).flat();
}

describe('Sequence', () => {
  it('gives nothing until the prompt is through, and then feeds each token back', () => {
    const sequence = sequenceOf({ id: 1, promptTokens: [5, 6, 7, 8, 9] });
    expect(sequence.nextInput(2)).toEqual([5, 6]);
    expect(sequence.advance(2, choosing(0))).toEqual([]);
    expect(sequence.nextInput(2)).toEqual([7, 8]);
    expect(sequence.advance(2, choosing(0))).toEqual([]);
    expect(sequence.nextInput(2)).toEqual([9]);
    expect(sequence.advance(1, choosing(3))).toEqual([{ type: 'token', token: 3, text: 'D' }]);
    expect(sequence.nextInput(2)).toEqual([3]);
  });

  it('finishes with length at its last token, which counts', () => {
    const events = spell('ABCDEF', { maxTokens: 3 });
    expect(textOf(events)).toBe('ABC');
    expect(events.at(-1)).toEqual({
      type: 'finish',
      finishReason: 'length',
      text: '',
      usage: { promptTokens: 3, completionTokens: 3 },
    });
  });

  it('finishes with stop at an end token, which counts but has no text', () => {
    const events = spell('AB', {}, [END]);
    expect(textOf(events)).toBe('AB');
    expect(events.map(({ type }) => type)).toEqual(['token', 'token', 'token', 'finish']);
    expect(events.at(-1)).toMatchObject({ finishReason: 'stop', usage: { completionTokens: 3 } });
  });

  it('finishes with stop at an end token that is also the last one allowed', () => {
    expect(spell('AB', { maxTokens: 3 }, [END]).at(-1)).toMatchObject({ finishReason: 'stop' });
  });

  it('finishes with stop at a stop string, whose text is left out', () => {
    const events = spell('ABCDEF', { stop: ['CD'] });
    expect(textOf(events)).toBe('AB');
    expect(events.at(-1)).toMatchObject({ finishReason: 'stop', usage: { completionTokens: 4 } });
  });

  it('finishes with stop at a stop string that its last token allowed completes', () => {
    const events = spell('ABCD', { stop: ['CD'], maxTokens: 4 });
    expect(textOf(events)).toBe('AB');
    expect(events.at(-1)).toMatchObject({ finishReason: 'stop' });
  });

  it('finds a stop string also in front of a character that was left unfinished', () => {
    for (const [ending, maxTokens] of [
      [[], 3],
      [[END], 100],
    ] as const) {
      const options = { maxTokens, stop: ['CD'], endOfSequence: new Set([END]), promptTokens: [9] };
      const sequence = sequenceOf({ id: 1, ...options }, decodeUnfinished);
      const events = take(sequence, [0, 1, 50, ...ending]);
      expect(textOf(events)).toBe('');
      expect(events.at(-1)).toMatchObject({ finishReason: 'stop' });
    }
  });

  it('gives held back text that became no stop string: with the finish at the length limit', () => {
    const events = spell('ABC', { stop: ['CD'], maxTokens: 3 });
    expect(textOf(events.slice(0, -1))).toBe('AB');
    expect(events.at(-1)).toMatchObject({ text: 'C', finishReason: 'length' });
  });

  it('gives held back text that became no stop string: before the finish at an end token', () => {
    const events = spell('ABC', { stop: ['CD'] }, [END]);
    expect(textOf(events)).toBe('ABC');
    expect(events.at(-1)).toMatchObject({ finishReason: 'stop' });
  });

  it('draws the same completion again with the same seed', () => {
    expect(draw(7)).toEqual(draw(7));
    expect(draw(8)).not.toEqual(draw(7));
  });
});

import * as fc from 'fast-check';
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
    events.push(...sequence.advance(choosing(token)));
    if (events.at(-1)?.type === 'finish') break;
  }
  return events;
}

function spell(
  text: string,
  options: Partial<SequenceOptions>,
  ending: readonly number[] = [],
): GenerationEvent[] {
  const sequence = sequenceOf({ id: 1, maxTokens: 100, stopTokens: new Set([END]), ...options });
  return take(sequence, [...encodeLetters(text), ...ending]);
}

/** Token 50 is the end of a stop string and the beginning of a character. */
function decodeUnfinished(tokens: readonly number[]): string {
  return tokens.includes(50) ? 'CD\uFFFD' : '';
}

function tokensOf(events: readonly GenerationEvent[]): number[] {
  return events.flatMap((event) => (event.type === 'token' ? [event.token] : []));
}

/** Has the sequence take what it will of these logits, again and again. */
function takeOf(sequence: Sequence, logits: readonly number[], count: number): number[] {
  const step = () => sequence.advance(new Float32Array(logits));
  return tokensOf(Array.from({ length: count }, step).flat());
}

function textOf(events: readonly GenerationEvent[]): string {
  return events.map((event) => (event.type === 'start' ? '' : event.text)).join('');
}

/** What a seed draws from 64 tokens of one probability. */
function draw(seed: number): GenerationEvent[] {
  const sequence = sequenceOf({ id: 1, temperature: 1, seed, maxTokens: 20 });
  return Array.from({ length: 20 }, () => sequence.advance(new Float32Array(64))).flat();
}

describe('Sequence', () => {
  it('has the tokens of prompt and completion, which the model has to run before the next', () => {
    const sequence = sequenceOf({ id: 1, promptTokens: [5, 6, 7] });
    expect(sequence.tokens).toEqual([5, 6, 7]);
    expect(sequence.advance(choosing(3))).toEqual([{ type: 'token', token: 3, text: 'D' }]);
    expect(sequence.tokens).toEqual([5, 6, 7, 3]);
    expect(sequence.promptTokens).toEqual([5, 6, 7]);
  });

  it('tells with its end how many tokens of the prompt were in the cache', () => {
    const sequence = sequenceOf({ id: 1, maxTokens: 1 });
    sequence.cachedTokens = 2;
    expect(sequence.advance(choosing(3)).at(-1)).toMatchObject({
      usage: { promptTokens: 3, cachedTokens: 2, completionTokens: 1 },
    });
  });

  it('finishes with length at its last token, which counts', () => {
    const events = spell('ABCDEF', { maxTokens: 3 });
    expect(textOf(events)).toBe('ABC');
    expect(events.at(-1)).toEqual({
      type: 'finish',
      finishReason: 'length',
      text: '',
      usage: { promptTokens: 3, cachedTokens: 0, completionTokens: 3 },
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
      const options = { maxTokens, stop: ['CD'], stopTokens: new Set([END]), promptTokens: [9] };
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

describe('stop tokens', () => {
  it('end the completion with stop, and their text is not part of it', () => {
    const events = spell('ABCD', { stopTokens: new Set([END, 2]) });
    expect(textOf(events)).toBe('AB');
    expect(tokensOf(events)).toEqual([0, 1, 2]);
    expect(events.at(-1)).toMatchObject({ finishReason: 'stop', usage: { completionTokens: 3 } });
  });
});

describe('minTokens', () => {
  it('bans every stop token until the completion has that many', () => {
    fc.assert(
      fc.property(fc.nat(8), fc.constantFrom(END, 5), (minTokens, wanted) => {
        const sequence = sequenceOf({ id: 1, maxTokens: 100, minTokens, stopTokens: new Set([END, 5]) });
        const events = take(
          sequence,
          Array.from({ length: 20 }, () => wanted),
        );
        // of the others, all alike, the first
        expect(tokensOf(events)).toEqual([...Array.from({ length: minTokens }, () => 0), wanted]);
        expect(events.at(-1)).toMatchObject({ finishReason: 'stop' });
      }),
    );
  });

  it('lets stop strings count only behind that many', () => {
    fc.assert(
      fc.property(fc.nat(8), (minTokens) => {
        const events = spell('CD'.repeat(10), { stop: ['CD'], minTokens });
        const rest = minTokens + (minTokens % 2); // the first that begins behind them
        expect(textOf(events)).toBe('CD'.repeat(rest / 2));
        expect(events.at(-1)).toMatchObject({ finishReason: 'stop', usage: { completionTokens: rest + 2 } });
      }),
    );
  });

  it('as large as maxTokens leaves only the length to end it', () => {
    const options = { stop: ['CD'], minTokens: 4, maxTokens: 4 };
    const events = spell('CDCDCD', options);
    expect(textOf(events)).toBe('CDCD');
    expect(events.at(-1)).toMatchObject({ finishReason: 'length', usage: { completionTokens: 4 } });
  });
});

describe('log-probabilities', () => {
  it('come with every token, the stop token included, if they are asked for', () => {
    const events = spell('AB', { logprobs: 2 }, [END]);
    const told = events.flatMap((event) => (event.type === 'token' ? [event.logprobs] : []));
    const others = Math.log(Math.E + 63);
    expect(told).toHaveLength(3);
    for (const [i, token] of [0, 1, END].entries()) {
      expect(told[i]).toMatchObject({ token, top: [{ token }, { token: token === 0 ? 1 : 0 }] });
      expect(told[i]?.logprob).toBeCloseTo(1 - others, 5);
      expect(told[i]?.top.map(({ logprob }) => logprob)[1]).toBeCloseTo(-others, 5);
    }
  });

  it('come without alternatives if none are asked for, and not at all if they are not', () => {
    expect(spell('A', { logprobs: 0, maxTokens: 1 })[0]).toMatchObject({ logprobs: { token: 0, top: [] } });
    expect(spell('A', { maxTokens: 1 })[0]).toMatchObject({ type: 'token', logprobs: undefined });
  });

  it("are the model's own: without bias, penalties, bans and temperature", () => {
    const sequence = sequenceOf({
      id: 1,
      logprobs: 1,
      temperature: 0.1,
      minTokens: 3,
      stopTokens: new Set([0]),
      logitBias: new Map([[5, 100]]),
      presencePenalty: 2,
      repetitionPenalty: 2,
    });
    for (let i = 0; i < 3; i++) {
      const [event] = sequence.advance(new Float32Array(64).fill(-1));
      expect(event).toMatchObject({ token: 5, logprobs: { token: 5, top: [{ token: 0 }] } });
      expect(event).toHaveProperty('logprobs.logprob', expect.closeTo(-Math.log(64), 9));
    }
  });
});

describe('penalties', () => {
  it('of presence count only the completion, and each token once', () => {
    const sequence = sequenceOf({ id: 1, promptTokens: [0, 0], presencePenalty: 0.6, maxTokens: 10 });
    expect(takeOf(sequence, [1, 0.5, 0.1], 5)).toEqual([0, 1, 0, 0, 0]);
  });

  it('of frequency count every time', () => {
    const sequence = sequenceOf({ id: 1, promptTokens: [0, 0], frequencyPenalty: 0.35, maxTokens: 10 });
    // 0 falls by 0.35 each time: 1, 0.65, 0.3
    expect(takeOf(sequence, [1, 0.5, 0.1], 5)).toEqual([0, 0, 1, 0, 1]);
  });

  it('of repetition count the prompt, too', () => {
    const sequence = sequenceOf({ id: 1, promptTokens: [0], repetitionPenalty: 2, maxTokens: 10 });
    expect(takeOf(sequence, [1, 0.9, 0.48], 3)).toEqual([1, 0, 0]);
  });
});

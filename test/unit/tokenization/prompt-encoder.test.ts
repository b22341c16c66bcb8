import type { PreTrainedTokenizer } from '@huggingface/transformers';
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { CancelledError, UnavailableError } from '../../../src/engine/errors.js';
import {
  PromptEncoder,
  type EncodablePrompt,
  type PromptEncoderOptions,
} from '../../../src/engine/tokenization/prompt-encoder.js';
import { TALES } from '../../support/models.js';
import { loadTokenizer } from '../helpers/tokenizers.js';
import { SOURCES } from './helpers/sources.js';
import { byteLevelFiles, tokenizerFrom } from './helpers/synthetic-tokenizers.js';
import { texts } from './helpers/texts.js';

const MEGABYTE = 'Once upon a time, there was a very small cat. '.repeat(22_000);
/** In characters: what is encoded at once, in the first thread, and in the second. */
const LENGTHS = [1, 2000, 33_500] as const;

function encoderOf(tokenizer: PreTrainedTokenizer, options?: PromptEncoderOptions): PromptEncoder {
  const encoder = new PromptEncoder(tokenizer, options);
  onTestFinished(() => encoder.close());
  return encoder;
}

function text(content: string): EncodablePrompt {
  return { kind: 'text', text: content };
}

function chat(content: string, role = 'user'): EncodablePrompt {
  return { kind: 'chat', messages: [{ role, content }] };
}

/** How often the event loop comes around meanwhile. */
async function turnsUntil(settled: Promise<unknown>): Promise<number> {
  const state = { pending: true };
  void settled.finally(() => (state.pending = false));
  let turns = 0;
  for (; state.pending; turns++) await new Promise(setImmediate);
  return turns;
}

/** What the tokenizer itself makes of a prompt. */
function expectedTokens(tokenizer: PreTrainedTokenizer, prompt: EncodablePrompt): number[] {
  if (prompt.kind === 'text') return tokenizer.encode(prompt.text);
  const options = { tokenize: false, add_generation_prompt: true } as const;
  const rendered = tokenizer.apply_chat_template([...prompt.messages], options);
  return tokenizer.encode(rendered, { add_special_tokens: false });
}

describe.each(SOURCES)('PromptEncoder with $name', ({ load, absent = false }) => {
  it.skipIf(absent)('makes the tokens of the tokenizer of any prompt, wherever it is encoded', async () => {
    const tokenizer = await load();
    const encoder = encoderOf(tokenizer);
    const toPrompts = tokenizer.chat_template ? [text, chat] : [text];
    for (const length of LENGTHS) {
      const prompts = fc
        .tuple(texts(10), fc.constantFrom(...toPrompts))
        .map(([part, toPrompt]) => toPrompt(part.repeat(Math.ceil(length / (part.length + 1)))));
      await fc.assert(
        fc.asyncProperty(prompts, async (prompt) => {
          expect(Array.from(await encoder.encode(prompt))).toEqual(expectedTokens(tokenizer, prompt));
        }),
        { numRuns: 3 },
      );
    }
  });
});

describe('PromptEncoder', () => {
  it.each([
    ['text', text(MEGABYTE)],
    ['conversation', chat(MEGABYTE)],
  ])('does not hold up its thread with a %s of a megabyte', async (_, prompt) => {
    const tokenizer = await loadTokenizer(TALES.source);
    const encoder = encoderOf(tokenizer);
    const encoding = encoder.encode(prompt);
    expect(await turnsUntil(encoding)).toBeGreaterThan(100);
    const expected = Int32Array.from(expectedTokens(tokenizer, prompt));
    // as bytes: half a million numbers
    expect(Buffer.from((await encoding).buffer).equals(Buffer.from(expected.buffer))).toBe(true);
  });

  it('lets no other prompt wait for a long one', async () => {
    const encoder = encoderOf(await loadTokenizer(TALES.source));
    await encoder.warmUp();
    const settled: string[] = [];
    const prompts = { long: MEGABYTE, common: MEGABYTE.slice(0, 5000), short: 'Once' };
    const jobs = Object.entries(prompts).map(async ([name, content]) => {
      await encoder.encode(text(content));
      settled.push(name);
    });
    await Promise.all(jobs);
    expect(settled).toEqual(['short', 'common', 'long']);
  });

  it('keeps many prompts apart that are encoded at once', async () => {
    const tokenizer = await tokenizerFrom(byteLevelFiles());
    const encoder = encoderOf(tokenizer);
    const prompts = Array.from({ length: 60 }, (_, index) =>
      (index % 2 ? text : chat)(`hello ${index} `.repeat(index * index)),
    );
    const results = await Promise.all(prompts.map((prompt) => encoder.encode(prompt)));
    expect(results.map((tokens) => Array.from(tokens))).toEqual(
      prompts.map((prompt) => expectedTokens(tokenizer, prompt)),
    );
  });

  it.each([10, 1000, 100_000])('tells what is wrong with a conversation of %d characters', async (length) => {
    const refusing = encoderOf(await tokenizerFrom(byteLevelFiles()));
    await expect(refusing.encode(chat('x'.repeat(length), 'nobody'))).rejects.toMatchObject({
      name: 'InvalidRequestError',
      code: 'invalid_value',
      message: "The model's chat template refuses these messages: nobody has no voice",
      param: 'messages',
    });
    const tokenizer = await loadTokenizer(TALES.source);
    tokenizer.chat_template = null;
    await expect(encoderOf(tokenizer).encode(chat('x'.repeat(length)))).rejects.toMatchObject({
      name: 'InvalidRequestError',
      code: 'no_chat_template',
      param: 'messages',
    });
  });

  it.each([10, 1000, 100_000])('is cancelled with a prompt of %d characters', async (length) => {
    const encoder = encoderOf(await loadTokenizer(TALES.source));
    const prompt = text('x'.repeat(length));
    await expect(encoder.encode(prompt, AbortSignal.abort())).rejects.toThrow(CancelledError);
    const aborter = new AbortController();
    const encoding = encoder.encode(prompt, aborter.signal);
    aborter.abort();
    // what is encoded at once is done by then
    const [result] = await Promise.allSettled([encoding]);
    expect(result).toMatchObject(length === 10 ? { status: 'fulfilled' } : { reason: new CancelledError() });
    expect(await encoder.encode(prompt)).not.toHaveLength(0);
  });

  it('survives a prompt that needs more memory than a thread has', async () => {
    const encoder = encoderOf(await loadTokenizer(TALES.source), { heapLimitMb: 32 });
    const huge = encoder.encode(text('😀 b'.repeat(300_000)));
    await expect(huge).rejects.toMatchObject({
      code: 'internal_error',
      message: expect.stringContaining("The tokenizer's thread ended"),
    });
    await expect(encoder.encode(text('ab '.repeat(15_000)))).resolves.toHaveLength(15_001);
  });

  it('is ready when its thread is', async () => {
    const encoder = encoderOf(await loadTokenizer(TALES.source));
    await expect(encoder.warmUp()).resolves.toBeUndefined();
  });

  it('ends with its threads', async () => {
    const encoder = encoderOf(await loadTokenizer(TALES.source));
    const pending = Promise.allSettled(
      [1000, 100_000].map((length) => encoder.encode(text('x'.repeat(length)))),
    );
    await encoder.close();
    for (const result of await pending)
      expect(result).toMatchObject({ reason: expect.any(UnavailableError) });
    await expect(encoder.encode(text('x'.repeat(1000)))).rejects.toThrow(UnavailableError);
  });
});

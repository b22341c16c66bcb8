import type { Decode } from '../../../src/engine/generation/detokenizer.js';
import { Sequence, type SequenceOptions } from '../../../src/engine/generation/sequence.js';
import { processorOptions, samplerOptions } from './sampling.js';
import { decodeLetters } from './scripted-model.js';

/** A greedy sequence; tests name what matters to them. */
export function sequenceOf(
  options: Partial<SequenceOptions> & { readonly id: number },
  decode: Decode = decodeLetters,
): Sequence {
  const defaults = {
    priority: 'interactive',
    client: '',
    promptTokens: [1, 2, 3],
    maxTokens: 5,
    minTokens: 0,
    ...samplerOptions({ temperature: 0 }),
    ...processorOptions({}),
    stop: [],
    stopTokens: new Set<number>(),
    logprobs: undefined,
  } as const;
  return new Sequence({ ...defaults, ...options }, decode);
}

/** Letters one after the other, whatever the prompt: the model that spells `text`, over and over. */
export function spelling(text: string, promptLength: number): (context: readonly number[]) => number {
  return (context) => (text.codePointAt((context.length - promptLength) % text.length) as number) - 65;
}

import type { LogitsProcessorOptions } from '../../../src/engine/generation/logits-processor.js';
import type { SamplerOptions } from '../../../src/engine/generation/sampler.js';
import type { GenerationDefaults } from '../../../src/engine/generation/text-generator.js';

/** Draws from the whole softmax where a test says nothing else. */
export function samplerOptions(options: Partial<SamplerOptions>): SamplerOptions {
  return { temperature: 1, topP: 1, topK: 0, minP: 0, ...options };
}

/** Leaves the logits alone where a test says nothing else. */
export function processorOptions(options: Partial<LogitsProcessorOptions>): LogitsProcessorOptions {
  return {
    repetitionPenalty: 1,
    presencePenalty: 0,
    frequencyPenalty: 0,
    logitBias: new Map<number, number>(),
    ...options,
  };
}

/** A greedy model that says nothing of lengths and penalties where a test says nothing else. */
export function generationDefaults(defaults: Partial<GenerationDefaults> = {}): GenerationDefaults {
  return { maxTokens: undefined, temperature: 0, topP: 1, topK: 0, repetitionPenalty: 1, ...defaults };
}

import {
  TextGenerator,
  type Submission,
  type TextCodec,
  type TextGeneratorOptions,
} from '../../../src/engine/generation/text-generator.js';
import type { GenerationRequest, Prompt } from '../../../src/engine/types.js';
import { lettersEncoder } from './letters-encoder.js';
import { Recorder } from './recorder.js';
import { generationDefaults } from './sampling.js';
import { ScriptedModel, decodeLetters, type TokenCache } from './scripted-model.js';
import { LIMITS } from './step-loops.js';

export const BEGIN = 60;
export const END = 63;

export const codec: TextCodec = { beginOfSequence: BEGIN, decode: decodeLetters };

/** A generator over a scripted model: its context is 20 tokens, a completion's default length 4. */
export function generatorOf(options: Partial<TextGeneratorOptions<TokenCache>> = {}) {
  const model = new ScriptedModel();
  const generator = new TextGenerator<TokenCache>({
    instanceId: 'instance-1',
    model,
    limits: { ...LIMITS, prefillChunk: 100 },
    codec,
    encoder: lettersEncoder([BEGIN]),
    defaults: generationDefaults({ maxTokens: 4 }),
    contextLength: 20,
    endOfSequence: new Set([END]),
    ...options,
  });
  let lastId = 0;
  const run = async (request: GenerationRequest): Promise<Recorder> => {
    const recorder = new Recorder();
    generator.submit(submission(++lastId, request), recorder);
    await recorder.ended;
    return recorder;
  };
  return { model, generator, run };
}

export function submission(id: number, request: GenerationRequest): Submission {
  return { id, request, priority: 'interactive', client: '' };
}

export function letters(count: number): Prompt {
  return { kind: 'tokens', tokens: Array.from({ length: count }, () => 1) };
}

/** A model that says the same in every pass. */
export function constantModel(logits: Record<number, number> = {}): ScriptedModel {
  const model = new ScriptedModel();
  const forward = model.forward.bind(model);
  model.forward = async (rows) => {
    const answers = await forward(rows);
    return answers.map(() => Float32Array.from({ length: 64 }, (_, token) => logits[token] ?? 0));
  };
  return model;
}

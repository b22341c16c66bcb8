import type { PreTrainedModel, PreTrainedTokenizer } from '@huggingface/transformers';
import { describe, expect, it } from 'vitest';
import { readModelSettings, type ModelSettings } from '../../src/engine/loading/model-settings.js';

interface Files {
  readonly config?: Record<string, unknown>;
  readonly generation?: Record<string, unknown> | null;
  readonly tokenizer?: { eos_token_id?: number; model_max_length?: number };
}

/** The settings of a model with these files. */
function read({ config = {}, generation = {}, tokenizer = {} }: Files): ModelSettings {
  const model = { config, generation_config: generation } as unknown as PreTrainedModel;
  const { eos_token_id, ...tokenizerConfig } = tokenizer;
  return readModelSettings(model, {
    eos_token_id,
    config: tokenizerConfig,
  } as unknown as PreTrainedTokenizer);
}

function endOf(files: Files): number[] {
  return [...read(files).endOfSequence];
}

describe('readModelSettings', () => {
  it.each(['max_position_embeddings', 'n_positions', 'n_ctx', 'max_seq_len', 'seq_length'])(
    'finds the context length under %s',
    (key) => {
      expect(read({ config: { [key]: 777 }, tokenizer: { model_max_length: 5 } }).contextLength).toBe(777);
    },
  );

  it('takes the context length of the tokenizer if the model says none, unless that means none', () => {
    expect(read({ tokenizer: { model_max_length: 512 } }).contextLength).toBe(512);
    expect(read({ tokenizer: { model_max_length: 1e30 } }).contextLength).toBe(1024);
    expect(read({ config: { n_ctx: 'many' } }).contextLength).toBe(1024);
  });

  it('takes the end tokens of the generation config, else of the config, else of the tokenizer', () => {
    const tokenizer = { eos_token_id: 3 };
    const config = { eos_token_id: 2 };
    expect(endOf({ generation: { eos_token_id: [0, 1] }, config, tokenizer })).toEqual([0, 1]);
    expect(endOf({ generation: null, config, tokenizer })).toEqual([2]);
    expect(endOf({ tokenizer })).toEqual([3]);
    expect(endOf({})).toEqual([]);
  });

  it('takes the begin token of the generation config, else of the config, else none', () => {
    expect(read({ generation: { bos_token_id: 0 }, config: { bos_token_id: 1 } }).beginOfSequence).toBe(0);
    expect(read({ config: { bos_token_id: 1 } }).beginOfSequence).toBe(1);
    expect(read({ generation: { bos_token_id: null } }).beginOfSequence).toBeUndefined();
  });

  it('takes the sampling of the generation config', () => {
    const generation = {
      temperature: 0,
      top_p: 0.5,
      top_k: 40,
      repetition_penalty: 1.2,
      max_new_tokens: 9,
    };
    expect(read({ generation }).defaults).toEqual({
      temperature: 0,
      topP: 0.5,
      topK: 40,
      repetitionPenalty: 1.2,
      maxTokens: 9,
    });
  });

  it('counts what is missing or odd as not said', () => {
    const expected = { temperature: 1, topP: 1, topK: 0, repetitionPenalty: 1, maxTokens: undefined };
    expect(read({ generation: null }).defaults).toEqual(expected);
    const odd = {
      temperature: 'hot',
      top_p: 7,
      top_k: 0.5,
      repetition_penalty: 0,
      max_new_tokens: -1,
      eos_token_id: 'end',
      bos_token_id: 0.5,
    };
    expect(read({ generation: odd, config: { eos_token_id: 4, bos_token_id: 5 } })).toMatchObject({
      defaults: expected,
      endOfSequence: new Set([4]),
      beginOfSequence: 5,
    });
  });
});

import { describe, expect, it } from 'vitest';
import {
  parseEncoderConfig,
  readActivation,
  readEmbeddingSettings,
  readLabels,
  readMaxTokens,
} from '../../src/engine/loading/encoder-settings.js';
import type { ModelSpec } from '../../src/engine/types.js';

const SPEC: ModelSpec = {
  name: 'e',
  source: './e',
  task: 'feature-extraction',
  device: 'auto',
  dtype: 'auto',
};
const MODULES = [
  { idx: 0, name: '0', path: '', type: 'sentence_transformers.models.Transformer' },
  { idx: 1, name: '1', path: '1_Pooling', type: 'sentence_transformers.models.Pooling' },
];
const NORMALIZE = { idx: 2, name: '2', path: '2_Normalize', type: 'sentence_transformers.models.Normalize' };

function settings(files: Record<string, unknown>, spec: Partial<ModelSpec> = {}) {
  return readEmbeddingSettings({ ...SPEC, ...spec }, (name) => Promise.resolve(files[name]));
}

describe('pooling', () => {
  it('is the mean, of length 1, if the files say nothing', async () => {
    expect(await settings({})).toMatchObject({ pooling: 'mean', normalize: true, layers: [] });
  });

  it.each([
    [{ pooling_mode_cls_token: true, pooling_mode_mean_tokens: false }, 'cls'],
    [{ pooling_mode_mean_tokens: true }, 'mean'],
    [{ pooling_mode_lasttoken: true }, 'last'],
    [{ pooling_mode: 'lasttoken' }, 'last'],
  ])('as in %j', async (config, pooling) => {
    const files = { 'modules.json': MODULES, '1_Pooling/config.json': config };
    expect(await settings(files)).toMatchObject({ pooling, normalize: false });
  });

  it('that is unknown is refused, unless the specification says another', async () => {
    const files = { 'modules.json': MODULES, '1_Pooling/config.json': { pooling_mode_max_tokens: true } };
    await expect(settings(files)).rejects.toThrow('pools by pooling_mode_max_tokens, which is not supported');
    expect(await settings(files, { pooling: 'cls' })).toMatchObject({ pooling: 'cls' });
  });

  it('that leaves prompts out is refused', async () => {
    const config = { pooling_mode_mean_tokens: true, include_prompt: false };
    const files = { 'modules.json': MODULES, '1_Pooling/config.json': config };
    await expect(settings(files)).rejects.toThrow('pools by pooling_mode_mean_tokens without the prompt');
  });
});

it('names layers that only a graph can hold', async () => {
  const more = ['sentence_transformers.models.LayerNorm', 'custom.Dense'].map((type) => ({ type, path: '' }));
  expect(await settings({ 'modules.json': [...MODULES, ...more, NORMALIZE] })).toMatchObject({
    layers: ['LayerNorm', 'Dense'],
    normalize: true,
  });
});

it('normalises if a module does', async () => {
  expect(await settings({ 'modules.json': [...MODULES, NORMALIZE] })).toMatchObject({ normalize: true });
  expect(await settings({ 'modules.json': [...MODULES, NORMALIZE] }, { normalize: false })).toMatchObject({
    normalize: false,
  });
});

it('reads prompts, and adds those of the specification', async () => {
  const files = {
    'config_sentence_transformers.json': {
      prompts: { query: 'q: ', passage: 'p: ' },
      default_prompt_name: 'query',
    },
    'sentence_bert_config.json': { max_seq_length: 256, do_lower_case: false },
  };
  const { prompts, defaultPrompt, maxTokens } = await settings(files, { prompts: { passage: 'doc: ' } });
  expect([...prompts]).toEqual([
    ['query', 'q: '],
    ['passage', 'doc: '],
  ]);
  expect({ defaultPrompt, maxTokens }).toEqual({ defaultPrompt: 'query', maxTokens: 256 });
});

describe('the most tokens', () => {
  const bert = parseEncoderConfig({ model_type: 'bert', max_position_embeddings: 512 });
  const said = { tokenizerLength: 1e30, sentenceLength: undefined };

  it('are the least of what is said', () => {
    expect(readMaxTokens(SPEC, bert, said)).toBe(512);
    expect(readMaxTokens(SPEC, bert, { tokenizerLength: 384, sentenceLength: undefined })).toBe(384);
    expect(readMaxTokens(SPEC, bert, { tokenizerLength: 384, sentenceLength: 256 })).toBe(256);
    expect(readMaxTokens(SPEC, parseEncoderConfig({}), said)).toBe(512);
  });

  it('are what the specification says, as far as there are positions', () => {
    const sentence = { tokenizerLength: 512, sentenceLength: 128 };
    expect(readMaxTokens({ ...SPEC, maxTokens: 300 }, bert, sentence)).toBe(300);
    expect(readMaxTokens({ ...SPEC, maxTokens: 3000 }, bert, sentence)).toBe(512);
  });

  it('leave out the positions that RoBERTa never uses', () => {
    const roberta = parseEncoderConfig({
      model_type: 'xlm-roberta',
      max_position_embeddings: 514,
      pad_token_id: 1,
    });
    expect(readMaxTokens(SPEC, roberta, said)).toBe(512);
  });
});

it('names labels as config.json does, else by number', () => {
  expect(readLabels(parseEncoderConfig({ id2label: { 0: 'no', 1: 'yes' } }), 2)).toEqual(['no', 'yes']);
  expect(readLabels(parseEncoderConfig({}), 2)).toEqual(['LABEL_0', 'LABEL_1']);
});

it.each([
  ['regression', 1, 'raw'],
  ['regression', 3, 'raw'],
  ['multi_label_classification', 3, 'sigmoid'],
  ['single_label_classification', 3, 'softmax'],
  [undefined, 1, 'sigmoid'],
  [null, 3, 'softmax'],
] as const)('scores of %s with %i labels: %s', (problem_type, count, activation) => {
  expect(readActivation(parseEncoderConfig({ problem_type }), count)).toBe(activation);
});

import { AutoModel, AutoTokenizer, pipeline, type Tensor } from '@huggingface/transformers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ModelProvider } from '../../src/index.js';
import { EncoderFolders, dispose, provide } from '../support/encoders.js';

const folders = new EncoderFolders();
let models: ModelProvider;
let paths: Record<'plain' | 'tuned' | 'mood' | 'topics' | 'judge', string>;

beforeAll(async () => {
  paths = {
    plain: await folders.embedding('plain'),
    tuned: await folders.embedding('tuned', {
      'modules.json': [
        { path: '', type: 'sentence_transformers.models.Transformer' },
        { path: '1_Pooling', type: 'sentence_transformers.models.Pooling' },
      ],
      '1_Pooling/config.json': { pooling_mode_cls_token: true },
      'config_sentence_transformers.json': { prompts: { query: 'query: ' }, default_prompt_name: null },
      'sentence_bert_config.json': { max_seq_length: 20 },
    }),
    mood: await folders.classifier('mood', 3),
    topics: await folders.classifier('topics', 3, { problem_type: 'multi_label_classification' }),
    judge: await folders.classifier('judge', 1),
  };
  const embedding = { task: 'feature-extraction', threads: 1 } as const;
  models = await provide([
    { name: 'plain', source: paths.plain, ...embedding },
    { name: 'tuned', source: paths.tuned, ...embedding },
    { name: 'mood', source: paths.mood, task: 'text-classification', threads: 1 },
    { name: 'topics', source: paths.topics, task: 'text-classification', threads: 1 },
    { name: 'judge', source: paths.judge, task: 'reranking', threads: 1 },
  ]);
});

afterAll(async () => {
  await dispose(models);
  folders.dispose();
});

/** Of 1 to about 40 tokens. */
const TEXTS = [
  'hello',
  'the quick brown fox jumps',
  '',
  'a b c d e f g h i j k l m n o p q r s t u v w x y z 0 1 2 3 4 5 6',
  'aaab aaac (aaad), unknownword ünïcode!',
  ...Array.from({ length: 30 }, (_, i) => 'word '.repeat(i % 7) + 'aaaf '.repeat((i * 5) % 30)),
];

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, gap = 1e-5): void {
  expect(actual).toHaveLength(expected.length);
  for (let i = 0; i < expected.length; i++)
    expect(Math.abs((actual[i] as number) - (expected[i] as number))).toBeLessThan(gap);
}

async function oracle(texts: readonly string[], options: { pooling: 'mean' | 'cls'; normalize: boolean }) {
  const extract = await pipeline('feature-extraction', paths.plain, { dtype: 'fp32' });
  const vectors: Float32Array[] = [];
  for (const text of texts) vectors.push((await extract(text, options)).data as Float32Array);
  return vectors;
}

describe('embeddings', () => {
  it("are Transformers.js's own, one text at a time", async () => {
    const expected = await oracle(TEXTS.slice(0, 5), { pooling: 'mean', normalize: true });
    for (const [i, text] of TEXTS.slice(0, 5).entries()) {
      const { embeddings } = await models.embed({ model: 'plain', inputs: [text] });
      expectClose(embeddings[0] as Float32Array, expected[i] as Float32Array);
    }
  });

  it('are the same in one request, and in many at once', async () => {
    const expected = await oracle(TEXTS, { pooling: 'mean', normalize: true });
    const { embeddings, promptTokens, instanceId } = await models.embed({ model: 'plain', inputs: TEXTS });
    for (const [i, vector] of embeddings.entries()) expectClose(vector, expected[i] as Float32Array);
    const each = await Promise.all(TEXTS.map((text) => models.embed({ model: 'plain', inputs: [text] })));
    for (const [i, { embeddings: some }] of each.entries())
      expectClose(some[0] as Float32Array, expected[i] as Float32Array);
    expect(promptTokens).toBe(each.reduce((sum, answer) => sum + answer.promptTokens, 0));
    expect(instanceId).toBe(models.describe('plain').instanceId);
  });

  it("follow the model's files: pooling, length, prompts", async () => {
    const text = 'hello there';
    const [cls] = await oracle([text], { pooling: 'cls', normalize: false });
    const [prompted] = await oracle([`query: ${text}`], { pooling: 'cls', normalize: false });
    const plain = await models.embed({ model: 'tuned', inputs: [text] });
    expectClose(plain.embeddings[0] as Float32Array, cls as Float32Array);
    const query = await models.embed({ model: 'tuned', inputs: [text], promptName: 'query' });
    expectClose(query.embeddings[0] as Float32Array, prompted as Float32Array);
    const synonym = await models.embed({ model: 'tuned', inputs: [text], promptName: 'search_query' });
    expectClose(synonym.embeddings[0] as Float32Array, prompted as Float32Array);
    expect(models.describe('tuned')).toMatchObject({
      maxInputTokens: 20,
      dimensions: 32,
      promptNames: ['query'],
    });
  });

  it('can be asked for shorter, which are as long as 1 again', async () => {
    const [whole] = await oracle(['hello'], { pooling: 'mean', normalize: false });
    const part = (whole as Float32Array).slice(0, 8);
    const length = Math.hypot(...part);
    const { embeddings } = await models.embed({ model: 'plain', inputs: ['hello'], dimensions: 8 });
    expectClose(
      embeddings[0] as Float32Array,
      part.map((value) => value / length),
    );
    const raw = await models.embed({ model: 'plain', inputs: ['hello'], dimensions: 8, normalize: false });
    expectClose(raw.embeddings[0] as Float32Array, part);
  });

  it('take tokens as they are', async () => {
    const { tokens } = await models.tokenize({ model: 'plain', text: 'hello there' });
    const inputs = [tokens.map(({ id }) => id), 'hello there'];
    const { embeddings } = await models.embed({ model: 'plain', inputs });
    expectClose(embeddings[0] as Float32Array, embeddings[1] as Float32Array);
  });

  it('cut what is too long if they may, and keep its last special token', async () => {
    const long = 'word '.repeat(500);
    const { embeddings, promptTokens } = await models.embed({
      model: 'plain',
      inputs: [long],
      truncate: true,
    });
    expect(promptTokens).toBe(64);
    const { tokens } = await models.tokenize({ model: 'plain', text: long });
    const cut = [...tokens.slice(0, 63), ...tokens.slice(-1)].map(({ id }) => id);
    const same = await models.embed({ model: 'plain', inputs: [cut] });
    expectClose(embeddings[0] as Float32Array, same.embeddings[0] as Float32Array);
  });

  it.each([
    [
      { inputs: ['hello', 'a '.repeat(80)] },
      'context_length_exceeded',
      /Input 1 has \d+ tokens, but this model takes at most 64\..*truncate/,
    ],
    [{ inputs: [] }, 'invalid_value', /at least one/],
    [{ inputs: [[]] }, 'invalid_value', /no tokens/],
    [{ inputs: [[5, 400]] }, 'invalid_value', /no token 400/],
    [{ inputs: ['a'], dimensions: 33 }, 'invalid_value', /32 dimensions/],
    [{ inputs: ['a'], promptName: 'query' }, 'invalid_value', /no prompt 'query'/],
  ])('refuse %j', async (request, code, message) => {
    const failed = models.embed({ model: 'plain', ...request });
    await expect(failed).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
  });
});

describe('classification', () => {
  it("is Transformers.js's own, every label, the best first", async () => {
    const classify = await pipeline('text-classification', paths.mood, { dtype: 'fp32' });
    const { labels } = await models.classify({ model: 'mood', inputs: TEXTS });
    for (const [i, text] of TEXTS.slice(0, 8).entries()) {
      const expected = (await classify(text, { top_k: 3 })) as { label: string; score: number }[];
      expect(labels[i]?.map(({ label }) => label)).toEqual(expected.map(({ label }) => label));
      expectClose(
        labels[i]?.map(({ score }) => score) ?? [],
        expected.map(({ score }) => score),
      );
    }
  });

  it('of labels that exclude nothing gives each its own probability', async () => {
    const { labels } = await models.classify({ model: 'topics', inputs: ['hello'] });
    const raw = await models.classify({ model: 'topics', inputs: ['hello'], rawScores: true });
    const expected = raw.labels[0]?.map(({ score }) => 1 / (1 + Math.exp(-score))) ?? [];
    expectClose(labels[0]?.map(({ score }) => score) ?? [], expected);
  });

  it('reads pairs as the model was trained to', async () => {
    const pairs = [
      { text: 'hello there', pair: 'who is there' },
      { text: 'a', pair: 'the quick brown fox' },
    ];
    const { labels } = await models.classify({ model: 'mood', inputs: [...pairs, 'hello'], rawScores: true });
    for (const [i, { text, pair }] of pairs.entries()) {
      const expected = await pairLogits(paths.mood, text, pair);
      const actual = labels[i]?.toSorted((a, b) => a.label.localeCompare(b.label)).map(({ score }) => score);
      expectClose(actual ?? [], expected);
    }
  });
});

describe('reranking', () => {
  it('scores each document beside the query', async () => {
    const documents = ['there', 'who is it?', 'hello hello hello', 'word '.repeat(10)];
    const raw = await models.rerank({ model: 'judge', query: 'who is it?', documents, rawScores: true });
    for (const [i, document] of documents.entries())
      expectClose([raw.scores[i] as number], await pairLogits(paths.judge, 'who is it?', document));
    const { scores } = await models.rerank({ model: 'judge', query: 'who is it?', documents });
    expectClose(
      scores,
      raw.scores.map((logit) => 1 / (1 + Math.exp(-logit))),
    );
  });

  it('says of which document it is too long', async () => {
    const failed = models.rerank({ model: 'judge', query: 'q', documents: ['a', 'word '.repeat(90)] });
    await expect(failed).rejects.toMatchObject({ code: 'context_length_exceeded', param: 'documents' });
  });
});

/** As Transformers.js puts two texts together. */
async function pairLogits(path: string, text: string, pair: string): Promise<Float32Array> {
  const tokenizer = await AutoTokenizer.from_pretrained(path);
  const model = await AutoModel.from_pretrained(path, { dtype: 'fp32' });
  const inputs = tokenizer(text, { text_pair: pair, return_token_type_ids: true }) as object;
  const { logits } = (await model(inputs)) as { logits: Tensor };
  return logits.data as Float32Array;
}

describe('tokens', () => {
  it('there and back', async () => {
    const { tokens } = await models.tokenize({ model: 'mood', text: 'aaab word', addSpecialTokens: true });
    expect(tokens.map(({ text }) => text)).toEqual(['[CLS]', 'aaab', 'w', '##o', '##r', '##d', '[SEP]']);
    expect(tokens.map(({ special }) => special)).toEqual([true, false, false, false, false, false, true]);
    const ids = tokens.map(({ id }) => id);
    expect(await models.detokenize({ model: 'mood', tokens: ids })).toMatchObject({ text: 'aaab word' });
    const all = await models.detokenize({ model: 'mood', tokens: ids, skipSpecialTokens: false });
    expect(all.text).toBe('[CLS] aaab word [SEP]');
  });

  it('of a long text are made in a thread, and are the same', async () => {
    const text = 'aaab, word! '.repeat(3000);
    const { tokens } = await models.tokenize({ model: 'plain', text, addSpecialTokens: false });
    expect(tokens).toHaveLength(3000 * 7);
    await expect(models.detokenize({ model: 'plain', tokens: [4000] })).rejects.toMatchObject({
      code: 'invalid_value',
      param: 'tokens',
    });
  });
});

it('a model does what it does and nothing else', async () => {
  for (const failed of [
    models.embed({ model: 'mood', inputs: ['a'] }),
    models.rerank({ model: 'plain', query: 'a', documents: ['b'] }),
    models.complete({ model: 'plain', prompt: { kind: 'text', text: 'a' } }),
  ])
    await expect(failed).rejects.toMatchObject({ code: 'task_not_supported' });
  // without a name, the first model that does it
  expect((await models.classify({ inputs: ['a'] })).instanceId).toBe(models.describe('mood').instanceId);
});

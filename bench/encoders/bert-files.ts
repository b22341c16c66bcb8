import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeModelFile } from '../../src/engine/onnx/proto/index.js';
import type { WeightKind } from '../model/graph-builder.js';
import { buildBert, type BertShape } from './bert-graph.js';

/** The file names by which Transformers.js knows how the weights are stored; it calls `i8` q8, too. */
const FILES: Readonly<Record<WeightKind, string>> = {
  q8: 'model_quantized.onnx',
  i8: 'model_quantized.onnx',
  fp32: 'model.onnx',
};

const SPECIAL = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'] as const;
const LETTERS = 'abcdefghijklmnopqrstuvwxyz'.split('');
const OTHERS = '0123456789.,;:!?()-'.split('');

/** A word of the vocabulary, by number: letters only, none twice. */
export function vocabularyWord(number: number): string {
  let word = '';
  for (let i = 0, rest = number; i < 4; i++, rest = Math.floor(rest / LETTERS.length))
    word = LETTERS[rest % LETTERS.length] + word;
  return word;
}

/** Words in a vocabulary of this size: each is one token. */
export function wordCount(vocab: number): number {
  return vocab - SPECIAL.length - 2 * (LETTERS.length + OTHERS.length);
}

/**
 * Writes a model folder of a BERT-like encoder with random weights, as Transformers.js and Resident load one.
 * @param config what config.json says besides the sizes, e.g. `id2label`
 */
export async function writeBertFolder(
  folder: string,
  shape: BertShape,
  kind: WeightKind,
  config: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  await mkdir(join(folder, 'onnx'), { recursive: true });
  await writeJson(folder, 'config.json', { ...configOf(shape), ...config });
  await writeJson(folder, 'tokenizer.json', tokenizerOf(shape.vocab));
  await writeJson(folder, 'tokenizer_config.json', {
    tokenizer_class: 'BertTokenizer',
    model_max_length: shape.context,
    do_lower_case: true,
    pad_token: '[PAD]',
    unk_token: '[UNK]',
    cls_token: '[CLS]',
    sep_token: '[SEP]',
    mask_token: '[MASK]',
  });
  await writeModelFile(join(folder, 'onnx', FILES[kind]), buildBert(shape, kind));
}

function configOf(shape: BertShape): object {
  return {
    model_type: 'bert',
    architectures: [shape.labels === undefined ? 'BertModel' : 'BertForSequenceClassification'],
    hidden_size: shape.hidden,
    num_hidden_layers: shape.layers,
    num_attention_heads: shape.heads,
    intermediate_size: shape.intermediate,
    max_position_embeddings: shape.context,
    vocab_size: shape.vocab,
    type_vocab_size: 2,
    pad_token_id: 0,
  };
}

function tokenizerOf(size: number): object {
  const pieces = [...LETTERS, ...OTHERS];
  const words = Array.from({ length: wordCount(size) }, (_, i) => vocabularyWord(i));
  const vocab = [...SPECIAL, ...pieces, ...pieces.map((piece) => `##${piece}`), ...words];
  const special = (token: (typeof SPECIAL)[number], type: number) => ({
    SpecialToken: { id: token, type_id: type },
  });
  const sequence = (id: 'A' | 'B', type: number) => ({ Sequence: { id, type_id: type } });
  const single = [special('[CLS]', 0), sequence('A', 0), special('[SEP]', 0)];
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL.map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: 'BertNormalizer',
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: null,
      lowercase: true,
    },
    pre_tokenizer: { type: 'BertPreTokenizer' },
    post_processor: {
      type: 'TemplateProcessing',
      single,
      pair: [...single, sequence('B', 1), special('[SEP]', 1)],
      special_tokens: Object.fromEntries(
        SPECIAL.map((token, id) => [token, { id: token, ids: [id], tokens: [token] }]),
      ),
    },
    decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
    model: {
      type: 'WordPiece',
      unk_token: '[UNK]',
      continuing_subword_prefix: '##',
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(vocab.map((token, id) => [token, id])),
    },
  };
}

async function writeJson(folder: string, name: string, value: object): Promise<void> {
  await writeFile(join(folder, name), `${JSON.stringify(value)}\n`);
}

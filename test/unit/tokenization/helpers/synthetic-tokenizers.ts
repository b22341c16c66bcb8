import type { PreTrainedTokenizer } from '@huggingface/transformers';
import { temporaryFolder } from '../../helpers/temporary-folder.js';
import { loadTokenizer } from '../../helpers/tokenizers.js';

export interface TokenizerFiles {
  readonly 'tokenizer.json': unknown;
  readonly 'tokenizer_config.json': unknown;
}

/** As AutoTokenizer loads it from a folder, which is there for this test only. */
export async function tokenizerFrom(files: TokenizerFiles): Promise<PreTrainedTokenizer> {
  const texts = Object.entries(files).map(([name, content]) => [name, JSON.stringify(content)] as const);
  return loadTokenizer(temporaryFolder(Object.fromEntries(texts)));
}

export const CHAT_TEMPLATE =
  "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'nobody' %}{{ raise_exception('nobody has no voice') }}" +
  "{% endif %}<tool>{{ m['role'] }}\n{{ m['content'] | trim }}{{ eos_token }}{% endfor %}" +
  '{% if add_generation_prompt %}<tool>assistant\n{% endif %}{% if cls_token is defined %}no{% endif %}';

function addedToken(id: number, content: string, options: Record<string, boolean>): Record<string, unknown> {
  const defaults = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  return { id, content, ...defaults, ...options };
}

function beginningWith(token: string, id: number): Record<string, unknown> {
  return {
    type: 'TemplateProcessing',
    single: [{ SpecialToken: { id: token, type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
    pair: [{ Sequence: { id: 'A', type_id: 0 } }, { Sequence: { id: 'B', type_id: 1 } }],
    special_tokens: { [token]: { id: token, ids: [id], tokens: [token] } },
  };
}

/** The characters that stand for the 256 bytes in a byte-level vocabulary (GPT-2's bytes_to_unicode). */
function byteCharacters(): string[] {
  const printable = (byte: number): boolean =>
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  let others = 0;
  return Array.from({ length: 256 }, (_, byte) =>
    String.fromCodePoint(printable(byte) ? byte : 256 + others++),
  );
}

function withIds(pieces: readonly string[]): Record<string, number> {
  return Object.fromEntries(pieces.map((piece, id) => [piece, id]));
}

/** Byte-level BPE with the pattern of newer models, added tokens of all kinds, and a chat template. */
export function byteLevelFiles(): TokenizerFiles {
  const merges = [
    'h e',
    'l l',
    'he ll',
    'hell o',
    'Ġ w',
    'Ġw o',
    'r l',
    'rl d',
    'Ġwo rld',
    '1 2',
    'Ã ©',
    'Ċ Ċ',
  ];
  const vocab = [...byteCharacters(), ...merges.map((merge) => merge.replace(' ', ''))];
  const pattern =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
  const added = [
    addedToken(vocab.length, '<|begin|>', {}),
    addedToken(vocab.length + 1, '<|end|>', { lstrip: true, rstrip: true }),
    addedToken(vocab.length + 2, '<tool>', { special: false }),
    addedToken(vocab.length + 3, 'ﬁ', { special: false, normalized: true }),
  ];
  return {
    'tokenizer.json': {
      version: '1.0',
      added_tokens: added,
      normalizer: { type: 'NFC' },
      pre_tokenizer: {
        type: 'Sequence',
        pretokenizers: [
          { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false },
          { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false },
        ],
      },
      post_processor: {
        type: 'Sequence',
        processors: [{ type: 'ByteLevel' }, beginningWith('<|begin|>', vocab.length)],
      },
      decoder: { type: 'ByteLevel' },
      model: { type: 'BPE', vocab: withIds(vocab), merges, ignore_merges: true },
    },
    'tokenizer_config.json': {
      tokenizer_class: 'Qwen2Tokenizer',
      bos_token: { __type: 'AddedToken', content: '<|begin|>', special: true },
      eos_token: '<|end|>',
      chat_template: CHAT_TEMPLATE,
    },
  };
}

/** A Unigram model over words that begin with U+2581, in the manner of SentencePiece, with the settings of T5. */
export function unigramFiles(): TokenizerFiles {
  const letters = Array.from('▁abcdefghijklmnopqrstuvwxyz.,', (letter, index) => [letter, -6 - index / 10]);
  const pieces = ['▁the', 'he', 'll', 'hell', '▁he', '▁hello', 'ing', '▁w', 'or', 'world', 'fi'];
  return {
    'tokenizer.json': {
      version: '1.0',
      added_tokens: [addedToken(0, '<unk>', {}), addedToken(1, '</s>', {})],
      normalizer: { type: 'Sequence', normalizers: [{ type: 'NFKC' }, { type: 'Lowercase' }] },
      pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
      post_processor: beginningWith('</s>', 1),
      decoder: { type: 'Metaspace', replacement: '▁' },
      model: {
        type: 'Unigram',
        unk_id: 0,
        vocab: [
          ['<unk>', 0],
          ['</s>', 0],
          ...letters,
          ...pieces.map((piece, index) => [piece, -3 - index / 7]),
        ],
      },
    },
    'tokenizer_config.json': { tokenizer_class: 'T5TokenizerFast', eos_token: '</s>', unk_token: '<unk>' },
  };
}

/** BPE without any splitting into words, spaces as U+2581, unknown characters as bytes: as Llama 2 has it. */
export function unsplitFiles(): TokenizerFiles {
  const bytes = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  );
  const merges = ['h e', 'l l', 'he ll', 'hell o', '▁ hello', '▁ w', 'o ▁w', '▁ ▁', '▁▁ ▁▁', 'r l', 'rl d'];
  const characters = Array.from('▁abcdefghijklmnopqrstuvwxyz.,\n');
  const vocab = [
    '<unk>',
    '<s>',
    '</s>',
    ...bytes,
    ...characters,
    ...merges.map((merge) => merge.replace(' ', '')),
  ];
  return {
    'tokenizer.json': {
      version: '1.0',
      added_tokens: [addedToken(0, '<unk>', {}), addedToken(1, '<s>', {}), addedToken(2, '</s>', {})],
      normalizer: {
        type: 'Sequence',
        normalizers: [
          { type: 'Prepend', prepend: '▁' },
          { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
        ],
      },
      pre_tokenizer: null,
      post_processor: beginningWith('<s>', 1),
      decoder: { type: 'Sequence', decoders: [{ type: 'ByteFallback' }, { type: 'Fuse' }] },
      model: {
        type: 'BPE',
        vocab: withIds(vocab),
        merges,
        byte_fallback: true,
        fuse_unk: true,
        unk_token: '<unk>',
      },
    },
    'tokenizer_config.json': {
      tokenizer_class: 'LlamaTokenizer',
      legacy: false,
      bos_token: '<s>',
      eos_token: '</s>',
      unk_token: '<unk>',
      chat_template: [
        { name: 'default', template: CHAT_TEMPLATE },
        { name: 'tool_use', template: 'tools' },
      ],
    },
  };
}

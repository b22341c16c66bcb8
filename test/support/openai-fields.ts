import type { BatchCreateParams, BatchListParams } from 'openai/resources/batches';
import type { ChatCompletionCreateParamsStreaming } from 'openai/resources/chat/completions';
import type { CompletionCreateParamsStreaming } from 'openai/resources/completions';
import type { EmbeddingCreateParams } from 'openai/resources/embeddings';
import type { FileCreateParams, FileListParams } from 'openai/resources/files';

/** A request that asks for something with one field. */
export interface FieldProbe {
  /** The field, and what it needs beside it: laid over a minimal body. */
  readonly ask: Readonly<Record<string, unknown>>;
  /** Values that mean the same as leaving the field out, and are accepted where the field is refused. */
  readonly neutral?: readonly unknown[];
  /** Where it is shown to do what it says, if it is supported. Default: the test of the table. */
  readonly proof?: string;
}

type Probes<Params> = { readonly [Field in keyof Required<Params> & string]: FieldProbe };

const SAMPLING = 'test/e2e/sampling.test.ts';
const COMPLETIONS = 'test/controller/completions.test.ts';
const CHAT = 'test/controller/chat.test.ts';
const CONSTRAINED = 'test/e2e/constrained.test.ts';
const TOOLS = 'test/e2e/tools.test.ts';
const EMBEDDINGS = 'test/controller/embeddings.test.ts';
const FILES = 'test/controller/files.test.ts';
const FILE_LISTS = 'test/controller/files-content.test.ts';
const BATCHES = 'test/controller/batches.test.ts';

const weather = {
  type: 'function',
  function: {
    name: 'weather',
    description: 'The weather in a city.',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    },
  },
};
const call = { id: 'call_1', type: 'function', function: { name: 'weather', arguments: '{"city":"Rome"}' } };
const user = { role: 'user', content: 'Hi' };

const shared = {
  model: { ask: { model: 'm' }, proof: 'test/clients/openai.test.ts' },
  frequency_penalty: { ask: { frequency_penalty: 0.5 }, proof: SAMPLING },
  presence_penalty: { ask: { presence_penalty: 0.5 }, proof: SAMPLING },
  logit_bias: { ask: { logit_bias: { 5: 10 } }, proof: SAMPLING },
  n: { ask: { n: 2 }, proof: SAMPLING },
  seed: { ask: { seed: 7 }, proof: SAMPLING },
  temperature: { ask: { temperature: 0.5 }, proof: SAMPLING },
  top_p: { ask: { top_p: 0.5 }, proof: 'test/unit/completions-schema.test.ts' },
  user: { ask: { user: 'u' }, proof: COMPLETIONS },
} as const;

/** Compiled against the types of the openai package: a field that it gains or loses is an error here. */
export const CHAT_FIELDS: Probes<ChatCompletionCreateParamsStreaming> = {
  ...shared,
  user: { ...shared.user, proof: CHAT },
  messages: { ask: { messages: [{ role: 'system', content: 'Be kind.' }, user] }, proof: CHAT },
  audio: { ask: { audio: { voice: 'alloy', format: 'wav' } } },
  function_call: { ask: { function_call: { name: 'weather' } }, neutral: ['none', 'auto'] },
  functions: { ask: { functions: [weather.function] }, neutral: [[]] },
  logprobs: { ask: { logprobs: true }, proof: SAMPLING },
  max_completion_tokens: { ask: { max_completion_tokens: 5 }, proof: CHAT },
  max_tokens: { ask: { max_tokens: 5 }, proof: CHAT },
  metadata: { ask: { metadata: { a: 'b' } }, neutral: [{}] },
  modalities: { ask: { modalities: ['text', 'audio'] }, neutral: [['text']] },
  moderation: { ask: { moderation: { model: 'omni-moderation-latest' } } },
  parallel_tool_calls: {
    ask: { parallel_tool_calls: false, tools: [weather] },
    neutral: [true, false],
    proof: 'test/unit/chat-schema.test.ts',
  },
  prediction: { ask: { prediction: { type: 'content', content: 'a' } } },
  prompt_cache_key: { ask: { prompt_cache_key: 'a' } },
  prompt_cache_options: { ask: { prompt_cache_options: { mode: 'explicit' } } },
  prompt_cache_retention: { ask: { prompt_cache_retention: '24h' } },
  reasoning_effort: { ask: { reasoning_effort: 'low' } },
  response_format: {
    ask: {
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'a', schema: weather.function.parameters, strict: true },
      },
    },
    neutral: [{ type: 'text' }],
    proof: CONSTRAINED,
  },
  safety_identifier: { ask: { safety_identifier: 'a' } },
  service_tier: { ask: { service_tier: 'flex' }, neutral: ['auto', 'default'] },
  stop: { ask: { stop: ['a', 'b'] }, proof: SAMPLING },
  store: { ask: { store: true }, neutral: [false] },
  stream: { ask: { stream: true }, proof: CHAT },
  stream_options: {
    ask: { stream_options: { include_usage: true }, stream: true },
    proof: 'test/unit/completions-schema.test.ts',
  },
  tool_choice: { ask: { tool_choice: 'required', tools: [weather] }, proof: TOOLS },
  tools: { ask: { tools: [weather] }, neutral: [[]], proof: TOOLS },
  top_logprobs: { ask: { top_logprobs: 2, logprobs: true }, proof: SAMPLING },
  verbosity: { ask: { verbosity: 'low' } },
  web_search_options: { ask: { web_search_options: {} } },
};

/** Within fields of a chat: what is asked for, by a name for the table that begins with the field. */
export const CHAT_DETAILS: Readonly<Record<string, FieldProbe>> = {
  'messages: role developer': { ask: { messages: [{ role: 'developer', content: 'a' }, user] } },
  'messages: role assistant': { ask: { messages: [user, { role: 'assistant', content: 'a' }, user] } },
  'messages: role tool': {
    ask: {
      messages: [
        user,
        { role: 'assistant', content: null, tool_calls: [call] },
        { role: 'tool', tool_call_id: 'call_1', content: 'Sunny' },
      ],
      tools: [weather],
    },
  },
  'messages: role function': { ask: { messages: [{ role: 'function', name: 'a', content: 'a' }] } },
  'messages: text parts': { ask: { messages: [{ role: 'user', content: [{ type: 'text', text: 'a' }] }] } },
  'messages: image parts': {
    ask: {
      messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png,' } }] }],
    },
  },
  'messages: audio parts': {
    ask: {
      messages: [
        {
          role: 'user',
          content: [{ type: 'input_audio', input_audio: { data: '', format: 'wav' } }],
        },
      ],
    },
  },
  'messages: file parts': {
    ask: { messages: [{ role: 'user', content: [{ type: 'file', file: { file_id: 'a' } }] }] },
  },
  'messages: name': { ask: { messages: [{ ...user, name: 'Ann' }] } },
  'response_format: json_object': {
    ask: { response_format: { type: 'json_object' } },
    proof: CONSTRAINED,
  },
  'stream_options: include_obfuscation': {
    ask: { stream_options: { include_obfuscation: true }, stream: true },
  },
  'tool_choice: a function': {
    ask: { tool_choice: { type: 'function', function: { name: 'weather' } }, tools: [weather] },
    proof: TOOLS,
  },
  'tool_choice: allowed_tools': {
    ask: {
      tool_choice: { type: 'allowed_tools', allowed_tools: { mode: 'auto', tools: [] } },
      tools: [weather],
    },
  },
  'tools: strict': {
    ask: { tools: [{ ...weather, function: { ...weather.function, strict: true } }] },
  },
  'tools: custom': { ask: { tools: [{ type: 'custom', custom: { name: 'a' } }] } },
};

export const COMPLETION_FIELDS: Probes<CompletionCreateParamsStreaming> = {
  ...shared,
  prompt: { ask: { prompt: ['a', 'b'] }, proof: COMPLETIONS },
  best_of: { ask: { best_of: 2 }, neutral: [1] },
  echo: { ask: { echo: true }, proof: SAMPLING },
  logprobs: { ask: { logprobs: 2 }, proof: SAMPLING },
  max_tokens: { ask: { max_tokens: 5 }, proof: 'test/e2e/generation.test.ts' },
  stop: { ask: { stop: ['a', 'b'] }, proof: SAMPLING },
  stream: { ask: { stream: true }, proof: COMPLETIONS },
  stream_options: {
    ask: { stream_options: { include_usage: true }, stream: true },
    proof: 'test/unit/completions-schema.test.ts',
  },
  suffix: { ask: { suffix: 'a' }, neutral: [''] },
};

export const COMPLETION_DETAILS: Readonly<Record<string, FieldProbe>> = {
  'prompt: token ids': { ask: { prompt: [1, 2] } },
  'prompt: lists of token ids': { ask: { prompt: [[1, 2], [3]] } },
  'stream_options: include_obfuscation': {
    ask: { stream_options: { include_obfuscation: true }, stream: true },
  },
};

export const EMBEDDING_FIELDS: Probes<EmbeddingCreateParams> = {
  input: { ask: { input: ['a', 'b'] }, proof: EMBEDDINGS },
  model: { ask: { model: 'm' }, proof: EMBEDDINGS },
  dimensions: { ask: { dimensions: 2 }, proof: EMBEDDINGS },
  encoding_format: { ask: { encoding_format: 'base64' }, proof: 'test/clients/openai-embeddings.test.ts' },
  user: { ask: { user: 'u' }, proof: EMBEDDINGS },
};

export const EMBEDDING_DETAILS: Readonly<Record<string, FieldProbe>> = {
  'input: token ids': { ask: { input: [1, 2] }, proof: EMBEDDINGS },
  'input: lists of token ids': { ask: { input: [[1, 2], [3]] }, proof: EMBEDDINGS },
};

/** As forms have them: everything is text. */
export const FILE_FIELDS: Probes<FileCreateParams> = {
  file: { ask: { file: new File(['{}'], 'lines.jsonl') }, proof: FILES },
  purpose: { ask: { purpose: 'batch' }, proof: FILES },
  expires_after: { ask: { expires_after: { anchor: 'created_at', seconds: '3600' } }, proof: FILES },
};

export const FILE_DETAILS: Readonly<Record<string, FieldProbe>> = {
  'purpose: others': { ask: { purpose: 'fine-tune' } },
};

export const FILE_LIST_FIELDS: Probes<FileListParams> = {
  after: { ask: { after: 'file-1' }, proof: FILE_LISTS },
  limit: { ask: { limit: '5' }, proof: FILE_LISTS },
  order: { ask: { order: 'asc' }, proof: FILE_LISTS },
  purpose: { ask: { purpose: 'batch_output' }, proof: FILE_LISTS },
};

export const BATCH_FIELDS: Probes<BatchCreateParams> = {
  completion_window: { ask: { completion_window: '7d' }, proof: BATCHES },
  endpoint: { ask: { endpoint: '/v1/embeddings' }, proof: BATCHES },
  input_file_id: { ask: { input_file_id: 'file-1' }, proof: BATCHES },
  metadata: { ask: { metadata: { customer: 'a' } }, proof: BATCHES },
  output_expires_after: {
    ask: { output_expires_after: { anchor: 'created_at', seconds: 3600 } },
    proof: BATCHES,
  },
};

export const BATCH_DETAILS: Readonly<Record<string, FieldProbe>> = {
  'endpoint: /v1/responses': { ask: { endpoint: '/v1/responses' } },
  'endpoint: /v1/moderations': { ask: { endpoint: '/v1/moderations' } },
  'endpoint: /v1/images/generations': { ask: { endpoint: '/v1/images/generations' } },
};

export const BATCH_LIST_FIELDS: Probes<BatchListParams> = {
  after: { ask: { after: 'batch_1' }, proof: BATCHES },
  limit: { ask: { limit: '5' }, proof: BATCHES },
};

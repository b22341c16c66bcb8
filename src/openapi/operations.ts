import type { z } from 'zod';
import { ADMIN, BATCH_OPERATIONS, BATCH_SCHEMAS } from './batch-operations.js';
import type { OperationOf } from './operation.js';
import { classifyAnswerSchema, classifyRequestSchema } from '../encoders/classify.schema.js';
import { encoderUsageSchema } from '../encoders/encoder-fields.js';
import { rerankAnswerSchema, rerankRequestSchema } from '../encoders/rerank.schema.js';
import {
  detokenizeAnswerSchema,
  detokenizeRequestSchema,
  tokenizeAnswerSchema,
  tokenizeRequestSchema,
} from '../encoders/tokenize.schema.js';
import { residencySchema } from '../residency/residency.schema.js';
import { chatRequestSchema } from '../openai/chat.schema.js';
import { completionRequestSchema } from '../openai/completions.schema.js';
import { embeddingAnswerSchema, embeddingRequestSchema } from '../openai/embeddings.schema.js';
import {
  chatCompletionChunkSchema,
  chatCompletionSchema,
  completionChunkSchema,
  completionSchema,
  errorSchema,
  livenessSchema,
  modelListSchema,
  modelSchema,
  readinessSchema,
  usageSchema,
} from './answer-schemas.js';

/** Every schema of the document, by the name that it has there. */
export const DOCUMENTED_SCHEMAS = {
  Error: errorSchema,
  Usage: usageSchema,
  EncoderUsage: encoderUsageSchema,
  CompletionRequest: completionRequestSchema,
  Completion: completionSchema,
  CompletionChunk: completionChunkSchema,
  ChatCompletionRequest: chatRequestSchema,
  ChatCompletion: chatCompletionSchema,
  ChatCompletionChunk: chatCompletionChunkSchema,
  EmbeddingRequest: embeddingRequestSchema,
  EmbeddingList: embeddingAnswerSchema,
  RerankRequest: rerankRequestSchema,
  RerankAnswer: rerankAnswerSchema,
  ClassifyRequest: classifyRequestSchema,
  ClassifyAnswer: classifyAnswerSchema,
  TokenizeRequest: tokenizeRequestSchema,
  TokenizeAnswer: tokenizeAnswerSchema,
  DetokenizeRequest: detokenizeRequestSchema,
  DetokenizeAnswer: detokenizeAnswerSchema,
  ...BATCH_SCHEMAS,
  Model: modelSchema,
  ModelList: modelListSchema,
  Residency: residencySchema,
  Liveness: livenessSchema,
  Readiness: readinessSchema,
} as const satisfies Record<string, z.ZodType>;

export type SchemaName = keyof typeof DOCUMENTED_SCHEMAS;

export type Operation = OperationOf<SchemaName>;

export const OPERATIONS: readonly Operation[] = [
  {
    method: 'post',
    path: '/v1/completions',
    id: 'createCompletion',
    tag: 'Generation',
    summary: 'Goes on where the prompt ends (OpenAI)',
    request: 'CompletionRequest',
    answer: 'Completion',
    chunk: 'CompletionChunk',
  },
  {
    method: 'post',
    path: '/v1/chat/completions',
    id: 'createChatCompletion',
    tag: 'Generation',
    summary: "Answers a chat through the model's own template (OpenAI)",
    request: 'ChatCompletionRequest',
    answer: 'ChatCompletion',
    chunk: 'ChatCompletionChunk',
  },
  encoder('/v1/embeddings', 'createEmbedding', 'A vector for each text (OpenAI)', {
    request: 'EmbeddingRequest',
    answer: 'EmbeddingList',
  }),
  encoder('/v1/rerank', 'rerank', 'Documents in the order of their relevance to a query (Cohere, Jina)', {
    request: 'RerankRequest',
    answer: 'RerankAnswer',
  }),
  encoder('/v1/classify', 'classify', 'Labels for each text or pair of texts', {
    request: 'ClassifyRequest',
    answer: 'ClassifyAnswer',
  }),
  encoder('/v1/tokenize', 'tokenize', 'The tokens of a text, with any model', {
    request: 'TokenizeRequest',
    answer: 'TokenizeAnswer',
  }),
  encoder('/v1/detokenize', 'detokenize', 'The text of tokens, with any model', {
    request: 'DetokenizeRequest',
    answer: 'DetokenizeAnswer',
  }),
  ...BATCH_OPERATIONS,
  {
    method: 'get',
    path: '/v1/models',
    id: 'listModels',
    tag: 'Models',
    summary: 'The resident models (OpenAI)',
    answer: 'ModelList',
  },
  {
    method: 'get',
    path: '/v1/models/{model}',
    id: 'retrieveModel',
    tag: 'Models',
    summary: 'One resident model (OpenAI)',
    answer: 'Model',
  },
  onModel('load', 'loadModel', 'Loads it; answers when it is loaded'),
  onModel(
    'unload',
    'unloadModel',
    'Ends its engine when its requests have ended; the next one loads it again',
  ),
  onModel('reload', 'reloadModel', 'Loads it anew beside the present engine, and has it take over'),
  {
    method: 'get',
    path: '/v1/residency',
    id: 'residency',
    tag: 'Models',
    summary: 'What keeping the models resident costs and saves',
    answer: 'Residency',
  },
  {
    method: 'get',
    path: '/metrics',
    id: 'metrics',
    tag: 'Health',
    summary: 'Metrics in the text format of Prometheus, unless the configuration switches them off',
    answer: 'text',
  },
  {
    method: 'get',
    path: '/health/live',
    id: 'live',
    tag: 'Health',
    summary: 'This process answers; never depends on a model',
    answer: 'Liveness',
  },
  {
    method: 'get',
    path: '/health/ready',
    id: 'ready',
    tag: 'Health',
    summary: 'Whether every model takes requests',
    answer: 'Readiness',
    unavailable: 'Readiness',
  },
];

function encoder(
  path: string,
  id: string,
  summary: string,
  bodies: Required<Pick<Operation, 'request' | 'answer'>>,
): Operation {
  return { method: 'post', path, id, tag: 'Encoders', summary, ...bodies };
}

function onModel(what: string, id: string, summary: string): Operation {
  return {
    method: 'post',
    path: `/v1/models/{model}/${what}`,
    id,
    tag: 'Models',
    summary,
    answer: 'Model',
    failures: {
      ...ADMIN,
      404: 'No such model',
      500: "It can't be loaded; the code says why",
      503: 'The server shuts down',
    },
  };
}

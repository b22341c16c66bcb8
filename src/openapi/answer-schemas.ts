import { ENGINE_STATES } from '../engine/client/engine-state.js';
import { z } from 'zod';
import { DEVICES, DTYPES, TASKS } from '../engine/types.js';

/** What the endpoints answer whose answers are written by hand: tests hold real answers against these. */

export const errorSchema = z.strictObject({
  error: z.strictObject({
    message: z.string().describe('One clear sentence.'),
    type: z.enum(['invalid_request_error', 'rate_limit_error', 'server_error']),
    param: z.string().nullable().describe('The field at fault.'),
    code: z.string().describe('Stable: match on it.'),
  }),
});

export const usageSchema = z.strictObject({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
  prompt_tokens_details: z.strictObject({ cached_tokens: z.int() }),
});

const finishReason = z.enum(['stop', 'length', 'tool_calls']);
const envelope = { id: z.string(), created: z.int().describe('Unix time, in seconds.'), model: z.string() };

const completionLogprobs = z.strictObject({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number()),
  top_logprobs: z.array(z.record(z.string(), z.number())),
  text_offset: z.array(z.int()),
});

const completionChoice = z.strictObject({
  index: z.int(),
  text: z.string(),
  logprobs: completionLogprobs.nullable(),
  finish_reason: finishReason.nullable(),
});

export const completionSchema = z.strictObject({
  ...envelope,
  object: z.literal('text_completion'),
  choices: z.array(completionChoice),
  usage: usageSchema,
});

export const completionChunkSchema = z.strictObject({
  ...completionSchema.shape,
  usage: usageSchema.nullable().optional().describe('In the last chunk, if stream_options asks for it.'),
});

const tokenLogprob = {
  token: z.string(),
  logprob: z.number(),
  bytes: z.array(z.int()).nullable().describe('null where the token is a part of a character.'),
};

const chatLogprobs = z.strictObject({
  content: z.array(z.strictObject({ ...tokenLogprob, top_logprobs: z.array(z.strictObject(tokenLogprob)) })),
  refusal: z.null(),
});

const toolCall = {
  id: z.string(),
  type: z.literal('function'),
  function: z.strictObject({ name: z.string(), arguments: z.string() }),
};

export const chatCompletionSchema = z.strictObject({
  ...envelope,
  object: z.literal('chat.completion'),
  choices: z.array(
    z.strictObject({
      index: z.int(),
      message: z.strictObject({
        role: z.literal('assistant'),
        content: z.string().nullable(),
        refusal: z.null(),
        tool_calls: z.array(z.strictObject(toolCall)).optional(),
      }),
      logprobs: chatLogprobs.nullable(),
      finish_reason: finishReason,
    }),
  ),
  usage: usageSchema,
});

export const chatCompletionChunkSchema = z.strictObject({
  ...envelope,
  object: z.literal('chat.completion.chunk'),
  choices: z.array(
    z.strictObject({
      index: z.int(),
      delta: z.strictObject({
        role: z.literal('assistant').optional(),
        content: z.string().nullable().optional(),
        refusal: z.null().optional(),
        tool_calls: z
          .array(
            z.strictObject({
              index: z.int(),
              id: z.string().optional(),
              type: z.literal('function').optional(),
              function: z.strictObject({ name: z.string().optional(), arguments: z.string().optional() }),
            }),
          )
          .optional(),
      }),
      logprobs: chatLogprobs.nullable(),
      finish_reason: finishReason.nullable(),
    }),
  ),
  usage: usageSchema.nullable().optional().describe('In the last chunk, if stream_options asks for it.'),
});

const stateField = z.enum(ENGINE_STATES);

const progressSchema = z
  .strictObject({
    phase: z.enum(['downloading', 'loading', 'warming-up']),
    file: z.string().optional().describe('Of a download: the file that is under way.'),
    bytes: z.int().optional().describe('Of a download: what is there of all files.'),
    totalBytes: z.int().optional(),
    device: z.enum(DEVICES).optional().describe('That it is loaded on, or tried on.'),
    dtype: z.enum(DTYPES).optional(),
  })
  .describe('What the load under way does.');

/** Loads of different tasks tell different things, hence loose: what is named here has this form. */
const residentSchema = z
  .looseObject({
    task: z.enum(TASKS),
    state: stateField,
    loads: z.int().describe('1 unless its engine died, or it was unloaded or reloaded.'),
    active: z.int().describe('Requests under way or waiting.'),
    progress: progressSchema.optional(),
    degraded: z
      .string()
      .optional()
      .describe("What the loaded model can't do as well as it should: a sentence."),
    error: z
      .strictObject({ code: z.string(), message: z.string() })
      .optional()
      .describe('Why the last load failed.'),
    instanceId: z.string().optional(),
    loadedAt: z.string().optional().describe('ISO 8601.'),
    loadMs: z.number().optional(),
    device: z.enum(DEVICES).optional(),
    dtype: z.enum(DTYPES).optional(),
    commit: z.string().optional().describe('Of a model from the hub: the commit that was loaded.'),
    contextLength: z.int().optional(),
    pid: z.int().optional(),
  })
  .describe('What is known of the model and of its load.');

export const modelSchema = z.strictObject({
  id: z.string(),
  object: z.literal('model'),
  created: z.int().describe('When it was loaded, as Unix time in seconds; 0 before.'),
  owned_by: z.literal('resident'),
  resident: residentSchema,
});

export const modelListSchema = z.strictObject({ object: z.literal('list'), data: z.array(modelSchema) });

export const livenessSchema = z.strictObject({ status: z.literal('ok') });

export const readinessSchema = z.strictObject({
  status: z.enum(['ready', 'unavailable']),
  models: z.record(z.string(), stateField),
});

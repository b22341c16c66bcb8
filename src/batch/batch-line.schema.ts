import { z } from 'zod';
import { InvalidRequestError } from '../engine/errors.js';
import type { ModelRequest } from '../model/model.provider.js';
import { chatRequestSchema, chatToModelRequests, type ChatRequest } from '../openai/chat.schema.js';
import {
  completionRequestSchema,
  completionToModelRequests,
  type CompletionRequest,
} from '../openai/completions.schema.js';
import { parseWith } from '../transport/validation.js';
import type { RawLine } from './read-lines.js';

export interface BatchLine {
  readonly customId: string;
  readonly request: ModelRequest;
}

/** What identifies a line, also one whose rest is wrong. */
const identitySchema = z.looseObject({ custom_id: z.string().min(1) });

const utf8 = new TextDecoder('utf-8', { fatal: true });

export const LINE_LIMIT = 10 * 1024 * 1024;

/**
 * Reads one line of a batch: the fields of a completion (`prompt`) or of a chat completion (`messages`) beside
 * `custom_id`; `model` may be left out.
 * @param defaultModel the model of lines that name none
 * @throws BatchLineError
 */
export function parseBatchLine(line: RawLine, defaultModel: string): BatchLine {
  const fields = parseObject(line);
  const customId = typeof fields['custom_id'] === 'string' ? fields['custom_id'] : null;
  try {
    const { custom_id, ...rest } = parseWith(identitySchema, fields);
    return { customId: custom_id, request: toRequest({ model: defaultModel, ...rest }) };
  } catch (error) {
    throw error instanceof InvalidRequestError ? new BatchLineError(customId, error) : error;
  }
}

/** A line that can't be run; `customId` is what could still be read of it. */
export class BatchLineError extends Error {
  constructor(
    readonly customId: string | null,
    readonly reason: InvalidRequestError,
  ) {
    super(reason.message);
  }
}

function toRequest(body: Record<string, unknown>): ModelRequest {
  const fields =
    'messages' in body ? parseWith(chatRequestSchema, body) : parseWith(completionRequestSchema, body);
  refuseExtras(fields);
  const [request, second] =
    'messages' in fields ? chatToModelRequests(fields) : completionToModelRequests(fields);
  if (request && !second) return request;
  throw new InvalidRequestError('invalid_value', 'A line has one prompt; write one line per prompt.', {
    param: 'prompt',
  });
}

/** A result line has room for one text, and for nothing else. */
function refuseExtras(fields: ChatRequest | CompletionRequest): void {
  const { n, logprobs } = fields;
  const asked = {
    n: (n ?? 1) > 1,
    logprobs: logprobs != null && logprobs !== false,
    echo: 'echo' in fields && fields.echo,
  };
  for (const [param, value] of Object.entries(asked)) {
    if (value)
      throw new InvalidRequestError('unsupported_parameter', `'${param}' is not supported in a batch.`, {
        param,
      });
  }
}

function parseObject(line: RawLine): Record<string, unknown> {
  if (line.kind === 'too_long')
    throw invalid('invalid_value', `The line is longer than ${LINE_LIMIT} bytes.`);
  let text: string;
  try {
    text = utf8.decode(line.bytes);
  } catch {
    throw invalid('invalid_json', 'The line is not valid UTF-8.');
  }
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid(
      'invalid_json',
      text.trim() === '' ? 'The line is empty.' : `The line is not valid JSON: ${(error as Error).message}.`,
    );
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw invalid('invalid_json', 'The line is not a JSON object.');
}

function invalid(code: 'invalid_json' | 'invalid_value', message: string): BatchLineError {
  return new BatchLineError(null, new InvalidRequestError(code, message));
}

import { InvalidRequestError } from '../../engine/errors.js';
import type { Task } from '../../engine/types.js';
import type { CallOptions, ModelProvider } from '../../model/model.provider.js';
import type { Operation, OperationAnswer } from '../../transport/operation.js';
import { parseWith } from '../../transport/validation.js';
import type { LineFormat } from '../batch-types.js';
import { findOperation } from '../line-operations.js';
import type { LineRequest } from './parse-line.js';

/** A line that the schema of its endpoint has found right. */
export interface LineCall {
  /** As the line names it. */
  readonly model: string;
  /** @throws ResidentError */
  run(models: ModelProvider, options: CallOptions): Promise<OperationAnswer>;
}

export interface BatchFormat {
  readonly endpoint: string;
  readonly lineFormat: LineFormat;
}

const COMPLETIONS = '/v1/completions';
const CHATS = '/v1/chat/completions';
/** Of the endpoints that don't generate texts. */
const TASKS: ReadonlyMap<string, Task> = new Map([
  ['/v1/embeddings', 'feature-extraction'],
  ['/v1/classify', 'text-classification'],
  ['/v1/rerank', 'reranking'],
]);

/**
 * What a line asks for.
 * @throws InvalidRequestError
 */
export function toCall(
  { body }: LineRequest,
  { endpoint, lineFormat }: BatchFormat,
  models: ModelProvider,
): LineCall {
  switch (lineFormat) {
    case 'openai':
      return callOf(operationOf(endpoint), body);
    case 'flat': {
      const full = { model: defaultModel(endpoint, models), ...body };
      refuseSeveral(full);
      return callOf(operationOf(flatEndpoint(endpoint, body)), full);
    }
    default:
      return lineFormat satisfies never;
  }
}

/** A flat line is a chat if it has messages, whatever the others are. */
function flatEndpoint(endpoint: string, body: object): string {
  if (endpoint !== COMPLETIONS && endpoint !== CHATS) return endpoint;
  return 'messages' in body ? CHATS : COMPLETIONS;
}

/** The first that does what is asked, as everywhere. */
function defaultModel(endpoint: string, models: ModelProvider): string {
  const task = TASKS.get(endpoint) ?? 'text-generation';
  const found = models.describeAll().find((model) => model.task === task);
  return (found ?? models.describe()).name;
}

function callOf(operation: Operation, body: Readonly<Record<string, unknown>>): LineCall {
  if (body['stream'] === true)
    throw new InvalidRequestError('invalid_value', 'A line of a batch is answered whole: leave stream out.', {
      param: 'stream',
    });
  const request = parseWith(operation.schema, body);
  const { model } = request as { readonly model: string };
  return { model, run: (models, options) => operation.run(models, request, options) };
}

function operationOf(endpoint: string): Operation {
  const operation = findOperation(endpoint);
  if (operation) return operation;
  throw new InvalidRequestError('invalid_value', `This server has no '${endpoint}' for batches.`, {
    param: 'url',
  });
}

/** A flat result has room for one text, and for nothing else. */
function refuseSeveral(body: Readonly<Record<string, unknown>>): void {
  const { n, logprobs, echo, prompt } = body;
  const asked = {
    n: typeof n === 'number' && n > 1,
    logprobs: logprobs !== undefined && logprobs !== null && logprobs !== false,
    echo: echo === true,
  };
  for (const [param, value] of Object.entries(asked))
    if (value)
      throw new InvalidRequestError(
        'unsupported_parameter',
        `'${param}' is not supported in a batch of this format.`,
        {
          param,
        },
      );
  if (Array.isArray(prompt) && prompt.length > 1 && typeof prompt[0] !== 'number')
    throw new InvalidRequestError('invalid_value', 'A line has one prompt; write one line per prompt.', {
      param: 'prompt',
    });
}

import type { ResidentError } from '../../engine/errors.js';
import { toErrorAnswer } from '../../transport/error-envelope.js';
import type { OperationAnswer } from '../../transport/operation.js';
import type { Batch, LineResult } from '../batch-types.js';
import type { LineProblem } from './line-problem.js';

/** A line that is answered. */
export interface LineKey {
  /** Counted from 1. */
  readonly line: number;
  /** Null: it couldn't be read. */
  readonly customId: string | null;
}

/** How the answers to a batch's lines are written: JSON without a line end. */
export interface LineFormatter {
  /** What the model answered. */
  answer(key: LineKey, answer: OperationAnswer): LineResult;
  /** What a request of the same body would be told. */
  refusal(key: LineKey, error: ResidentError): LineResult;
  /** A line that was no request, or was never run to its end. */
  problem(key: LineKey, problem: LineProblem): LineResult;
}

/** OpenAI's output and error files. */
export class OpenAiFormatter implements LineFormatter {
  readonly #idStart: string;

  /** @param batchId `batch_` and 24 hexadecimal digits */
  constructor(batchId: string) {
    this.#idStart = batchId.slice('batch_'.length, -8);
  }

  answer({ line, customId }: LineKey, { body }: OperationAnswer): LineResult {
    return { ...this.#write(line, customId, this.#response(line, 200, body), null), ...factsOf(body) };
  }

  refusal({ line, customId }: LineKey, error: ResidentError): LineResult {
    const { status, error: told } = toErrorAnswer(error);
    return this.#write(line, customId, this.#response(line, status, { error: told }), null, true);
  }

  /** Of a line without an id its number is told: nothing else says which one it is. */
  problem({ line, customId }: LineKey, { code, message }: LineProblem): LineResult {
    return this.#write(line, customId, null, { code, message: `Line ${line}: ${message}` }, true);
  }

  #response(line: number, status: number, body: object): object {
    return { status_code: status, request_id: `req_${this.#uniqueId(line)}`, body };
  }

  #write(
    line: number,
    customId: string | null,
    response: object | null,
    error: object | null,
    failed = false,
  ): LineResult {
    const id = `batch_req_${this.#uniqueId(line)}`;
    return { line, failed, body: JSON.stringify({ id, custom_id: customId, response, error }) };
  }

  /** Of the batch and the line: who runs a line again after a kill gives it the same one. */
  #uniqueId(line: number): string {
    return this.#idStart + line.toString(16).padStart(8, '0');
  }
}

/** The fields of the answer beside `custom_id`, answers and errors in one file. */
export class FlatFormatter implements LineFormatter {
  readonly #instanceId: () => string | null;

  /** @param instanceId of the load that is there, for lines that no load answered */
  constructor(instanceId: () => string | null) {
    this.#instanceId = instanceId;
  }

  answer({ line, customId }: LineKey, { body, facts }: OperationAnswer): LineResult {
    const instance = { instance_id: facts?.instanceId ?? null, error: null };
    return {
      line,
      failed: false,
      body: JSON.stringify({ custom_id: customId, line, ...flatAnswer(body), ...instance }),
      ...factsOf(body),
    };
  }

  refusal(key: LineKey, { code, message, param }: ResidentError): LineResult {
    return this.#failure(key, { code, message, param: param ?? null });
  }

  problem(key: LineKey, problem: LineProblem): LineResult {
    return this.#failure(key, problem);
  }

  #failure({ line, customId }: LineKey, { code, message, param }: LineProblem): LineResult {
    const error = { code, message, param };
    return {
      line,
      failed: true,
      body: JSON.stringify({ custom_id: customId, line, instance_id: this.#instanceId(), error }),
    };
  }
}

/** @param instanceId of the load that is there; null: none */
export function formatterOf(
  { id, lineFormat }: Pick<Batch, 'id' | 'lineFormat'>,
  instanceId: () => string | null,
): LineFormatter {
  switch (lineFormat) {
    case 'openai':
      return new OpenAiFormatter(id);
    case 'flat':
      return new FlatFormatter(instanceId);
    default:
      return lineFormat satisfies never;
  }
}

/** As answers to completions and chats have it; the one choice is what a flat line has room for. */
interface ChoicesBody {
  readonly choices: readonly [
    {
      readonly text?: string;
      readonly message?: { readonly content: string | null; readonly tool_calls?: readonly object[] };
      readonly finish_reason: string;
    },
  ];
  readonly usage: object;
}

/** Of an answer's body, as every endpoint has them that tells them. */
interface BodyFacts {
  readonly model?: string;
  readonly usage?: {
    readonly prompt_tokens: number;
    readonly completion_tokens?: number;
    readonly prompt_tokens_details?: { readonly cached_tokens: number };
  };
}

function factsOf(body: object): Pick<LineResult, 'model' | 'usage'> {
  const { model, usage } = body as BodyFacts;
  return {
    ...(model === undefined ? {} : { model }),
    ...(usage === undefined
      ? {}
      : {
          usage: {
            promptTokens: usage.prompt_tokens,
            cachedTokens: usage.prompt_tokens_details?.cached_tokens ?? 0,
            completionTokens: usage.completion_tokens ?? 0,
          },
        }),
  };
}

function flatAnswer(body: object): object {
  if (!hasChoices(body)) return { response: body };
  const [{ text, message, finish_reason }] = body.choices;
  const calls = message?.tool_calls ? { tool_calls: message.tool_calls } : {};
  return { text: text ?? message?.content ?? '', ...calls, finish_reason, usage: body.usage };
}

function hasChoices(body: object): body is ChoicesBody {
  return 'choices' in body;
}

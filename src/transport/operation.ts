import type { Response } from 'express';
import type { z } from 'zod';
import type { CallOptions, ModelProvider } from '../model/model.provider.js';
import { tellFacts, type AnswerFacts } from './answer-headers.js';
import { callOptions } from './call.js';

/** What an operation of the REST API answers, and what is known of the work behind it. */
export interface OperationAnswer<Answer extends object = object> {
  readonly body: Answer;
  readonly facts: AnswerFacts | undefined;
}

/**
 * An operation that is answered in one piece, apart from HTTP: its controller runs it for whoever waits, a batch for each line.
 */
export interface Operation<Schema extends z.ZodType = z.ZodType, Answer extends object = object> {
  readonly path: `/v1/${string}`;
  /** Of the request's body. */
  readonly schema: Schema;
  /** @throws ResidentError */
  run(models: ModelProvider, body: z.output<Schema>, call: CallOptions): Promise<OperationAnswer<Answer>>;
}

/**
 * Runs an operation for a request over HTTP, as long as its connection lasts, and sets the `x-resident-*` headers.
 * @throws ResidentError
 */
export async function answerRequest<
  Schema extends z.ZodType<{ readonly user?: string | null | undefined }>,
  Answer extends object,
>(
  operation: Operation<Schema, Answer>,
  models: ModelProvider,
  body: z.output<Schema>,
  response: Response,
): Promise<Answer> {
  const { body: answer, facts } = await operation.run(models, body, callOptions(response, body.user));
  tellFacts(response, facts);
  return answer;
}

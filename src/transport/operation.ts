import type { z } from 'zod';
import type { CallOptions, ModelProvider } from '../model/model.provider.js';
import type { AnswerFacts } from './answer-headers.js';

/** What an operation of the REST API answers, and what is known of the work behind it. */
export interface OperationAnswer {
  readonly body: object;
  readonly facts: AnswerFacts | undefined;
}

/**
 * An operation that is answered in one piece, apart from HTTP: its controller runs it for whoever waits, a batch for each line.
 */
export interface Operation<Schema extends z.ZodType = z.ZodType> {
  readonly path: `/v1/${string}`;
  /** Of the request's body. */
  readonly schema: Schema;
  /** @throws ResidentError */
  run(models: ModelProvider, body: z.output<Schema>, call: CallOptions): Promise<OperationAnswer>;
}

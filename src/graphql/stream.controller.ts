import { Controller, Get, Inject, Post, Res } from '@nestjs/common';
import { GraphQLSchemaHost } from '@nestjs/graphql';
import type { Request, Response } from 'express';
import { GraphQLError } from 'graphql';
import {
  createHandler,
  type Handler,
  type OperationArgs,
  type RequestParams,
  type Response as SseAnswer,
} from 'graphql-sse';
import { mayBeForged } from '../transport/same-origin.js';
import { refusal, sendAnswer, subscribeTellingErrors } from './event-stream.js';
import { httpContext } from './graphql-context.js';
import { OperationCheck, withInputCodes } from './limits.js';

type Context = Record<PropertyKey, unknown>;

const EVENT_STREAM = 'text/event-stream';

/**
 * Any operation as server-sent events, one connection each: the "distinct connections mode" of graphql-sse's protocol.
 * https://github.com/enisdenjo/graphql-sse/blob/master/PROTOCOL.md
 */
@Controller('graphql/stream')
export class StreamController {
  readonly #check: OperationCheck;
  readonly #schemaHost: GraphQLSchemaHost;
  readonly #handle: Handler<Request, Response>;

  constructor(@Inject(OperationCheck) check: OperationCheck, schemaHost: GraphQLSchemaHost) {
    this.#check = check;
    this.#schemaHost = schemaHost;
    this.#handle = createHandler<Request, Response, Context>({
      authenticate: () => null, // no streams that are opened first and filled later
      validate: (schema, document) => check.validate(schema, document),
      subscribe: subscribeTellingErrors,
      onOperation: (_context, _request, _args, result) => withInputCodes(result),
      onSubscribe: ({ context }, params) => this.#prepare(params, context),
    });
  }

  @Post()
  post(@Res() response: Response): Promise<void> {
    return this.#answer(response);
  }

  @Get()
  get(@Res() response: Response): Promise<void> {
    return this.#answer(response);
  }

  async #answer(response: Response): Promise<void> {
    const request = response.req;
    if (!request.accepts(EVENT_STREAM)) {
      return sendAnswer(response, refusal(406, [badRequest(`Send Accept: ${EVENT_STREAM}.`)]));
    }
    if (request.method === 'GET' && mayBeForged(request)) {
      const message =
        'A GET that any page could send is refused: use POST, or send apollo-require-preflight: true.';
      return sendAnswer(response, refusal(403, [badRequest(message)]));
    }
    const answer = await this.#handle({
      method: request.method,
      url: request.originalUrl,
      // the handler knows only this very value, not the lists that HTTP allows
      headers: { get: (name) => (name === 'accept' ? EVENT_STREAM : request.get(name)) },
      body: (request.body ?? {}) as Record<string, unknown>,
      raw: request,
      context: response,
    });
    return sendAnswer(response, answer);
  }

  /** @returns what is to be executed, or why not */
  #prepare(
    { query, operationName, variables }: RequestParams,
    response: Response,
  ): OperationArgs<Context> | SseAnswer {
    const document = this.#check.parse(query);
    if (document instanceof GraphQLError) return refusal(400, [document]);
    return {
      schema: this.#schemaHost.schema,
      document,
      operationName,
      variableValues: variables,
      contextValue: { ...httpContext(response) },
    };
  }
}

function badRequest(message: string): GraphQLError {
  return new GraphQLError(message, { extensions: { code: 'BAD_REQUEST' } });
}

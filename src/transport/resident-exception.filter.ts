import {
  Catch,
  MethodNotAllowedException,
  NotFoundException,
  type ArgumentsHost,
  type ExceptionFilter,
} from '@nestjs/common';
import type { Response } from 'express';
import type { GraphQLError } from 'graphql';
import { allowedMethods } from './allowed-methods.js';
import { requestIdOf } from './answer-headers.js';
import { RETRY_AFTER_SECONDS, type ErrorAnswer } from './error-envelope.js';
import { reportFailure } from './report-failure.js';

/** One filter for every door: OpenAI's envelope on REST, the same code in `extensions` on GraphQL. */
@Catch()
export class ResidentExceptionFilter implements ExceptionFilter {
  catch(exception: unknown, host: ArgumentsHost): Promise<GraphQLError> | undefined {
    if (host.getType<'http' | 'graphql'>() === 'graphql') return asGraphQlError(exception, host);
    const response = host.switchToHttp().getResponse<Response>();
    const failure = exception instanceof NotFoundException ? withAllow(exception, response) : exception;
    sendError(response, reportFailure(failure, requestIdOf(response)));
    return undefined;
  }
}

/** GraphQL is imported where there is GraphQL: whoever serves REST alone need not wait for it. */
async function asGraphQlError(exception: unknown, host: ArgumentsHost): Promise<GraphQLError> {
  // parent, arguments, context, info: those of a resolver
  const context = host.getArgByIndex<{ readonly requestId?: string | undefined } | undefined>(2);
  const answer = reportFailure(exception, context?.requestId);
  const { toGraphQlError } = await import('./graphql-error.js');
  return toGraphQlError(exception, answer);
}

/** Nest says "not found" also of a path that another method is served on: then the answer names the methods. */
function withAllow(exception: NotFoundException, response: Response): Error {
  const { req: request } = response;
  const methods = allowedMethods(request);
  if (methods.length === 0 || methods.includes(request.method)) return exception;
  const allow = methods.join(', ');
  response.setHeader('Allow', allow);
  return new MethodNotAllowedException(`${request.path} takes ${allow}, not ${request.method}.`);
}

function sendError(response: Response, { status, error }: ErrorAnswer): void {
  if (response.destroyed || response.headersSent) return;
  if (status === 503 || status === 429) response.setHeader('Retry-After', RETRY_AFTER_SECONDS);
  // clients of OpenAI would send an upload three times
  if (status === 507) response.setHeader('x-should-retry', 'false');
  response.removeHeader('Content-Type'); // of a stream that did not begin
  response.status(status).json({ error });
}

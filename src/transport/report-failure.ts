import { Logger } from '@nestjs/common';
import { inspect } from 'node:util';
import { toErrorAnswer, type ErrorAnswer } from './error-envelope.js';

const log = new Logger('Request');

/**
 * Tells the log what a client can't be told, wherever a request fails: before its answer, in a stream, in a subscription.
 * @param requestId as the client knows it from `x-request-id`
 */
export function reportFailure(exception: unknown, requestId?: string): ErrorAnswer {
  const answer = toErrorAnswer(exception);
  const { status, error } = answer;
  const text = `${status} ${error.code}: ${error.message}`;
  const suffix = requestId === undefined ? '' : ` (request ${requestId})`;
  if (status < 500) log.debug(text + suffix);
  else if (error.code !== 'internal_error') log.warn(text + suffix);
  else log.error(requestId === undefined ? exception : `${inspect(exception)}${suffix}`);
  return answer;
}

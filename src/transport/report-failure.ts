import { Logger } from '@nestjs/common';
import { toErrorAnswer, type ErrorAnswer } from './error-envelope.js';

const log = new Logger('Request');

/** Tells the log what a client can't be told, wherever a request fails: before its answer, in a stream, in a subscription. */
export function reportFailure(exception: unknown): ErrorAnswer {
  const answer = toErrorAnswer(exception);
  const { status, error } = answer;
  const text = `${status} ${error.code}: ${error.message}`;
  if (status < 500) log.debug(text);
  else if (error.code === 'internal_error') log.error(exception);
  else log.warn(text);
  return answer;
}

import { GraphQLError } from 'graphql';
import type { ErrorAnswer } from './error-envelope.js';
import { reportFailure } from './report-failure.js';

/** Also for what the filter doesn't see: the iterator of a subscription. */
export function toGraphQlError(
  exception: unknown,
  { error }: ErrorAnswer = reportFailure(exception),
): GraphQLError {
  // what GraphQL itself found wrong has its own code already
  if (exception instanceof GraphQLError) return exception;
  const { message, code, param } = error;
  return new GraphQLError(message, {
    extensions: { code, ...(param === null ? {} : { param: camelCase(param) }) },
  });
}

/** `max_tokens` is `maxTokens` in the schema of the GraphQL API. */
function camelCase(param: string): string {
  return param.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

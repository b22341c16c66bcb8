import { HttpException } from '@nestjs/common';
import { ResidentError, isLoadErrorCode, type ErrorCode } from '../engine/errors.js';

/** OpenAI's error object, and what HTTP needs beside it. */
export interface ErrorAnswer {
  readonly status: number;
  readonly error: {
    readonly message: string;
    readonly type: 'invalid_request_error' | 'rate_limit_error' | 'server_error';
    readonly param: string | null;
    readonly code: string;
  };
}

/** Seconds that a client is told to wait before it tries again. */
export const RETRY_AFTER_SECONDS = 1;

/** How a failure is told to a client. What isn't meant for clients becomes `internal_error` without its message. */
export function toErrorAnswer(exception: unknown): ErrorAnswer {
  if (exception instanceof ResidentError) {
    return answer(statusOf(exception.code), exception.code, exception.message, exception.param);
  }
  // thrown by us within the body parser, which gives it a status of its own
  if (exception instanceof HttpException && exception.cause instanceof ResidentError)
    return toErrorAnswer(exception.cause);
  if (exception instanceof HttpException) return fromHttpException(exception);
  return answer(500, 'internal_error', 'The server failed on this request. Its log says why.');
}

export function statusOf(code: ErrorCode): number {
  if (isLoadErrorCode(code)) return 500;
  switch (code) {
    case 'invalid_json':
    case 'invalid_value':
    case 'missing_required_parameter':
    case 'unknown_parameter':
    case 'unsupported_parameter':
    case 'context_length_exceeded':
    case 'no_chat_template':
    case 'task_not_supported':
      return 400;
    case 'unauthorized':
      return 401;
    case 'forbidden':
      return 403;
    case 'model_not_found':
    case 'file_not_found':
    case 'batch_not_found':
    case 'schedule_not_found':
      return 404;
    case 'conflict':
      return 409;
    case 'file_too_large':
      return 413;
    case 'storage_full':
      return 507;
    case 'cancelled':
      return 499; // nginx's "client closed request": nobody is there to read it
    case 'deadline_exceeded':
      return 504;
    case 'queue_full':
      return 429;
    case 'model_loading':
    case 'server_draining':
    case 'engine_restarting':
    case 'engine_restarted':
      return 503;
    case 'generation_failed':
    case 'out_of_memory':
    case 'engine_failed':
    case 'internal_error':
      return 500;
    default:
      return code satisfies never;
  }
}

/** From Nest and the body parser: unknown routes, bodies that can't be read. */
function fromHttpException(exception: HttpException): ErrorAnswer {
  const status = exception.getStatus();
  switch (status) {
    case 400:
      if (exception.message.startsWith('Failed to decode param'))
        return answer(
          status,
          'invalid_request',
          'The path of the request is not valid: a % begins no character.',
        );
      return answer(status, 'invalid_json', `The request body is not valid JSON: ${exception.message}`);
    case 404:
      return answer(status, 'not_found', `${exception.message}. The README lists the endpoints.`);
    case 405:
      return answer(status, 'method_not_allowed', exception.message);
    case 413:
      return answer(
        status,
        'request_too_large',
        'The request body is too large. The limit is server.bodyLimit of the configuration.',
      );
    default:
      return answer(status, status < 500 ? 'invalid_request' : 'internal_error', exception.message);
  }
}

function answer(status: number, code: string, message: string, param?: string): ErrorAnswer {
  return { status, error: { message, type: typeOf(status), param: param ?? null, code } };
}

function typeOf(status: number): ErrorAnswer['error']['type'] {
  if (status === 429) return 'rate_limit_error';
  return status < 500 ? 'invalid_request_error' : 'server_error';
}

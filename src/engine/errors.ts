/**
 * What can go wrong between a request and its last token. The codes are stable: clients and operators match on
 * them, in OpenAI's error envelope on REST, in `extensions.code` on GraphQL and in the error lines of a batch.
 */
export const LOAD_ERROR_CODES = [
  // where it comes from
  'source_not_found',
  'access_denied',
  'hub_unreachable',
  'cache_not_writable',
  'disk_full',
  // what its files are
  'weights_not_found',
  'tokenizer_not_found',
  'model_corrupt',
  'model_unsupported',
  // where it is to run
  'device_unavailable',
  'insufficient_memory',
  'engine_died',
  /** None of those. */
  'model_load_failed',
] as const;

/** Why a model can't be loaded; the README has a table with what to do about each. */
export type LoadErrorCode = (typeof LOAD_ERROR_CODES)[number];

export const ERROR_CODES = [
  // the request is at fault
  'invalid_json',
  'invalid_value',
  'missing_required_parameter',
  'unknown_parameter',
  'unsupported_parameter',
  'context_length_exceeded',
  'no_chat_template',
  'task_not_supported',
  'model_not_found',
  'file_not_found',
  'batch_not_found',
  'schedule_not_found',
  'conflict',
  'file_too_large',
  'storage_full',
  'unauthorized',
  'forbidden',
  'cancelled',
  'deadline_exceeded',
  // try again later
  'model_loading',
  'server_draining',
  'engine_restarting',
  'engine_restarted',
  'queue_full',
  // the server is at fault
  'generation_failed',
  'out_of_memory',
  'engine_failed',
  'internal_error',
  ...LOAD_ERROR_CODES,
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];

export function isLoadErrorCode(code: ErrorCode): code is LoadErrorCode {
  return LOAD_ERROR_CODES.some((known) => known === code);
}

export interface ErrorDetails {
  /** The request field at fault, in the client's spelling, e.g. `max_tokens`. */
  readonly param?: string | undefined;
  readonly cause?: unknown;
}

/** An error that may be shown to a client: one clear sentence, a stable code, and the field at fault if there is one. */
export class ResidentError extends Error {
  readonly param: string | undefined;

  constructor(
    readonly code: ErrorCode,
    message: string,
    { param, cause }: ErrorDetails = {},
  ) {
    super(message, { cause });
    this.name = new.target.name;
    this.param = param;
  }
}

/** The request can't be served as it is; sending it again changes nothing. */
export class InvalidRequestError extends ResidentError {}

/** Not now: the model is loading, draining, restarting or has more to do than it takes on. The same request may succeed later. */
export class UnavailableError extends ResidentError {}

/** One generation failed; the engine goes on. */
export class GenerationError extends ResidentError {
  constructor(
    message: string,
    details?: ErrorDetails,
    code: 'generation_failed' | 'out_of_memory' = 'generation_failed',
  ) {
    super(code, message, details);
  }
}

/** The engine process ended with this request in flight. */
export class EngineDeadError extends ResidentError {
  constructor(message: string, details?: ErrorDetails) {
    super('engine_restarted', message, details);
  }
}

/** The model can't be loaded: `message` says why and what to do. */
export class ModelLoadError extends ResidentError {
  constructor(
    override readonly code: LoadErrorCode,
    message: string,
    details?: ErrorDetails,
  ) {
    super(code, message, details);
  }
}

/** The caller went away or gave up. */
export class CancelledError extends ResidentError {
  constructor(message = 'The request was cancelled.') {
    super('cancelled', message);
  }
}

/** The request's own deadline passed. */
export class DeadlineError extends ResidentError {
  constructor(
    message = 'The request did not end within its timeout.',
    details: ErrorDetails = { param: 'timeout' },
  ) {
    super('deadline_exceeded', message, details);
  }
}

/** An error as it crosses the process boundary. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly param?: string | undefined;
}

export function toWireError(error: unknown): WireError {
  const { code, message, param } = asResidentError(error);
  return { code, message, param };
}

/** Itself, if it may be shown to a client; else an `internal_error` with its message. */
export function asResidentError(error: unknown): ResidentError {
  if (error instanceof ResidentError) return error;
  return new ResidentError('internal_error', messageOf(error), { cause: error });
}

export function fromWireError({ code, message, param }: WireError): ResidentError {
  if (isLoadErrorCode(code)) return new ModelLoadError(code, message, { param });
  switch (code) {
    case 'cancelled':
      return new CancelledError(message);
    case 'deadline_exceeded':
      return new DeadlineError(message, { param });
    case 'generation_failed':
    case 'out_of_memory':
      return new GenerationError(message, { param }, code);
    case 'engine_restarted':
      return new EngineDeadError(message, { param });
    case 'model_loading':
    case 'server_draining':
    case 'engine_restarting':
    case 'queue_full':
      return new UnavailableError(code, message, { param });
    case 'engine_failed':
    case 'internal_error':
      return new ResidentError(code, message, { param });
    case 'invalid_json':
    case 'invalid_value':
    case 'missing_required_parameter':
    case 'unknown_parameter':
    case 'unsupported_parameter':
    case 'context_length_exceeded':
    case 'no_chat_template':
    case 'task_not_supported':
    case 'model_not_found':
    case 'file_not_found':
    case 'batch_not_found':
    case 'schedule_not_found':
    case 'conflict':
    case 'file_too_large':
    case 'storage_full':
    case 'unauthorized':
    case 'forbidden':
      return new InvalidRequestError(code, message, { param });
    default:
      return code satisfies never;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

import type { BatchError } from '../batch-types.js';

/** Why a whole batch can't be run. Stable: users match on them. */
export type BatchErrorCode =
  'empty_file' | 'too_many_lines' | 'invalid_gzip' | 'file_too_large' | 'file_not_found';

/** A batch that ends as `failed`. */
export class BatchFailure extends Error {
  constructor(
    readonly code: BatchErrorCode,
    message: string,
    readonly line: number | null = null,
  ) {
    super(message);
  }

  toBatchError(): BatchError {
    const { code, message, line } = this;
    return { code, message, line, param: 'input_file_id' };
  }
}

export function inputGone(): BatchFailure {
  return new BatchFailure('file_not_found', 'The input file was removed before the batch had read it.');
}

import type { ErrorCode } from '../../engine/errors.js';

/** What can be wrong with a line of a batch besides what can be wrong with a request. Stable: users match on them. */
export type LineErrorCode =
  | ErrorCode
  | 'line_too_long'
  | 'duplicate_custom_id'
  | 'mismatched_url'
  /** The batch's time was over before the line was answered. */
  | 'batch_expired';

/** Why a line isn't a request, found without running it. */
export interface LineProblem {
  readonly code: LineErrorCode;
  readonly message: string;
  readonly param: string | null;
}

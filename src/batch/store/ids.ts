import { randomBytes } from 'node:crypto';

/** `batch_6f…`: a prefix and 24 hexadecimal digits, as OpenAI's ids look. */
export function newId(prefix: 'batch_' | 'file-' | 'sched_' | 'batch_req_'): string {
  return prefix + randomBytes(12).toString('hex');
}

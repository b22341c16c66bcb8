import { classifyOperation } from '../encoders/classify.operation.js';
import { rerankOperation } from '../encoders/rerank.operation.js';
import { detokenizeOperation, tokenizeOperation } from '../encoders/tokenize.operation.js';
import { chatOperation } from '../openai/chat.operation.js';
import { completionOperation } from '../openai/completions.operation.js';
import { embeddingOperation } from '../openai/embeddings.operation.js';
import type { Operation } from '../transport/operation.js';

/** What a line of a batch may ask for. */
const OPERATIONS: readonly Operation[] = [
  completionOperation,
  chatOperation,
  embeddingOperation,
  rerankOperation,
  classifyOperation,
  tokenizeOperation,
  detokenizeOperation,
];

/** Paths of the REST API that batches take. */
export const BATCH_ENDPOINTS: readonly string[] = OPERATIONS.map(({ path }) => path);

/** @param endpoint e.g. `/v1/chat/completions` */
export function findOperation(endpoint: string): Operation | undefined {
  return OPERATIONS.find(({ path }) => path === endpoint);
}

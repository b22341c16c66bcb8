/**
 * A tokenizer thread that does as its texts say. `wait`: until the first number of the shared memory isn't 0; `exit`: it
 * dies. The only token of any other text tells how many were encoded before it.
 */
import { workerData } from 'node:worker_threads';
import { serveMainThread } from '../../../../src/engine/tokenization/encoding-server.js';

const flag = new Int32Array(workerData as SharedArrayBuffer);
let encoded = 0;

serveMainThread((job) => {
  const text = job.kind === 'text' ? job.text : '';
  if (text === 'wait') Atomics.wait(flag, 0, 0);
  if (text === 'exit') process.exit(3);
  return Int32Array.of(encoded++);
});

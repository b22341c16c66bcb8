/**
 * The program of a tokenizer thread: builds the model's tokenizer once, from what the main thread's was built from, then
 * encodes prompts. It must not import what loads ONNX Runtime: a second thread with it costs memory and start time, and
 * may abort the process at its end.
 */
import { workerData } from 'node:worker_threads';
import { serveMainThread } from './encoding-server.js';
import { PromptTokenizer } from './prompt-tokenizer.js';
import { readDefinition } from './tokenizer-definition.js';

const tokenizer = new PromptTokenizer(readDefinition(workerData as SharedArrayBuffer));
serveMainThread((job) => tokenizer.encode(job));

import 'reflect-metadata';

/** AWS Lambda: `resident/lambda`. Nothing heavy is imported before a request comes. */
export { createHandler, type Handler, type HandlerOptions, type Startable } from './handler.js';
export type { LambdaResult } from './events.js';
export { loadLambdaConfig } from './lambda-config.js';
export {
  createStreamingHandler,
  type StreamifiedHandler,
  type StreamingHandler,
} from './streaming-handler.js';

import type { Response } from 'express';

/** What resolvers get as context. */
export interface GraphqlContext {
  /** Of the HTTP request; a subscription over WebSocket has none. */
  readonly res?: Response;
}

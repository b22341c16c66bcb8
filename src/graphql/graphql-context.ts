import { setMaxListeners } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Response } from 'express';
import type { CallOptions } from '../model/model.provider.js';
import { abortOnClose } from '../transport/abort-on-close.js';
import { requestIdOf } from '../transport/answer-headers.js';

/** What resolvers get as context, whatever the transport. */
export interface GraphqlContext {
  /** Aborts when whoever asked is gone. */
  readonly signal: AbortSignal;
  /** The address of whoever asked. */
  readonly client: string | undefined;
  /** As the answer's `x-request-id` tells it. */
  readonly requestId?: string | undefined;
}

/** Over HTTP, as one answer or as server-sent events. */
export function httpContext(response: Response): GraphqlContext {
  return {
    signal: abortOnClose(response),
    client: response.req.ip,
    requestId: requestIdOf(response),
  };
}

/** What graphql-ws keeps of a connection, and what we add to it. */
export interface SocketExtra {
  readonly request: IncomingMessage;
  closed?: AbortController;
}

/** Over a WebSocket: many operations share one connection, and its end. */
export function socketContext(extra: SocketExtra): GraphqlContext {
  extra.closed ??= unlimited(new AbortController());
  return { signal: extra.closed.signal, client: extra.request.socket.remoteAddress };
}

/** Somebody waits for whatever is asked over GraphQL. */
export function callOptions({ signal, client }: GraphqlContext): CallOptions {
  return { signal, client, priority: 'interactive' };
}

function unlimited(controller: AbortController): AbortController {
  setMaxListeners(0, controller.signal); // one per operation of the connection
  return controller;
}

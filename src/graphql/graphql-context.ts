import { setMaxListeners } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Response } from 'express';
import type { CallOptions } from '../model/model.provider.js';
import { requestIdOf } from '../transport/answer-headers.js';
import { callOptions } from '../transport/call.js';

/** What resolvers get as context, whatever the transport. */
export interface GraphqlContext {
  /** For whom models are called, and how long. */
  readonly call: CallOptions;
  /** What asked: of a WebSocket, the request that opened it. */
  readonly request: IncomingMessage;
  /** As the answer's `x-request-id` tells it. */
  readonly requestId?: string | undefined;
}

/** Over HTTP, as one answer or as server-sent events. */
export function httpContext(response: Response): GraphqlContext {
  return { call: callOptions(response), request: response.req, requestId: requestIdOf(response) };
}

/** What graphql-ws keeps of a connection, and what we add to it. */
export interface SocketExtra {
  readonly request: IncomingMessage;
  closed?: AbortController;
}

/** Over a WebSocket: many operations share one connection, and its end. */
export function socketContext(extra: SocketExtra): GraphqlContext {
  extra.closed ??= unlimited(new AbortController());
  const { request, closed } = extra;
  const { remoteAddress } = request.socket;
  return { call: { signal: closed.signal, client: remoteAddress, priority: 'interactive' }, request };
}

function unlimited(controller: AbortController): AbortController {
  setMaxListeners(0, controller.signal); // one per operation of the connection
  return controller;
}

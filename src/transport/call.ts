import type { Response } from 'express';
import type { CallOptions } from '../model/model.provider.js';
import { abortOnClose } from './abort-on-close.js';

/**
 * How a call of an HTTP request is made: somebody waits for it, as long as the connection lasts.
 * @param user as the request names whoever asks; default: the address
 */
export function callOptions(response: Response, user?: string | null): CallOptions {
  return {
    signal: abortOnClose(response),
    priority: 'interactive',
    client: user ?? response.req.ip,
  };
}

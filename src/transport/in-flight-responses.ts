import { Injectable, type BeforeApplicationShutdown, type NestMiddleware } from '@nestjs/common';
import type { NextFunction, Request, Response } from 'express';
import { pause } from '../engine/pause.js';
import { ModelProvider } from '../model/model.provider.js';

/** How long finished answers may take to reach slow readers at shutdown, in milliseconds. */
const FLUSH_MS = 5000;

/**
 * Counts answers under way, so that a shutdown closes no connection in the middle of one: first the models drain, then
 * what they produced is sent.
 */
@Injectable()
export class InFlightResponses implements NestMiddleware, BeforeApplicationShutdown {
  readonly #models: ModelProvider;
  readonly #open = new Set<Response>();
  #whenEmpty: (() => void) | undefined;

  constructor(models: ModelProvider) {
    this.#models = models;
  }

  use(_request: Request, response: Response, next: NextFunction): void {
    this.#open.add(response);
    response.once('close', () => {
      this.#open.delete(response);
      if (this.#open.size === 0) this.#whenEmpty?.();
    });
    next();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.#models.drain();
    if (this.#open.size === 0) return;
    const empty = new AbortController();
    this.#whenEmpty = () => empty.abort();
    await pause(FLUSH_MS, empty.signal);
  }
}

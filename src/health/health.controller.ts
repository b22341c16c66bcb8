import { Controller, Get, Res } from '@nestjs/common';
import type { Response } from 'express';
import type { EngineState } from '../engine/client/engine-state.js';
import { ModelProvider } from '../model/model.provider.js';
import { RETRY_AFTER_SECONDS } from '../transport/error-envelope.js';

export interface Readiness {
  readonly status: 'ready' | 'unavailable';
  readonly models: Readonly<Record<string, EngineState>>;
}

/** For load balancers and orchestrators. No health call loads a model or runs one. */
@Controller('health')
export class HealthController {
  readonly #models: ModelProvider;

  constructor(models: ModelProvider) {
    this.#models = models;
  }

  /** This process answers. Never depends on a model. */
  @Get('live')
  live(): { status: 'ok' } {
    return { status: 'ok' };
  }

  /** 200 when every model takes requests, also if the first of them loads it; 503 while one refuses them or has failed. */
  @Get('ready')
  ready(@Res({ passthrough: true }) response: Response): Readiness {
    const models = Object.fromEntries(this.#models.describeAll().map(({ name, state }) => [name, state]));
    if (this.#models.ready) return { status: 'ready', models };
    response.status(503).setHeader('Retry-After', RETRY_AFTER_SECONDS);
    return { status: 'unavailable', models };
  }
}

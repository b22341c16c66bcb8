import { Injectable, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { ResidencyService } from '../residency/residency.service.js';
import { EventLoopDelay } from './event-loop-delay.js';
import type { Exposition } from './exposition.js';

export interface Scrape {
  readonly contentType: string;
  readonly text: string;
}

/** Reads every metric when it is asked for: what nobody scrapes costs next to nothing. */
@Injectable()
export class MetricsService implements OnModuleInit, OnModuleDestroy {
  readonly #residency: ResidencyService;
  readonly #loopDelay = new EventLoopDelay();
  #exposition: Promise<Exposition> | undefined;

  constructor(residency: ResidencyService) {
    this.#residency = residency;
  }

  onModuleInit(): void {
    this.#loopDelay.start();
  }

  onModuleDestroy(): void {
    this.#loopDelay.stop();
  }

  async scrape(): Promise<Scrape> {
    const exposition = await (this.#exposition ??= createExposition());
    const server = { rss: process.memoryUsage.rss(), loopDelay: this.#loopDelay.read() };
    const text = await exposition.render(this.#residency.figures(), server);
    return { contentType: exposition.contentType, text };
  }
}

/** The library is imported with the first scrape, not with the start. */
async function createExposition(): Promise<Exposition> {
  const { Exposition: Created } = await import('./exposition.js');
  return new Created();
}

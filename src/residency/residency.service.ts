import { Inject, Injectable, type OnModuleDestroy } from '@nestjs/common';
import { ModelProvider } from '../model/model.provider.js';
import type { ModelUsage } from '../model/model-usage.js';
import type { ServedRequest } from '../model/served-request.js';
import { toEntry, type ResidencyEntry } from './ledger.js';
import { RequestTally } from './request-tally.js';
import type { Prices, ResidencyModuleOptions } from './residency-options.interface.js';
import { MODULE_OPTIONS_TOKEN } from './residency.module-definition.js';

export interface ResidencyLedger {
  /** When counting began, ISO 8601. */
  readonly since: string;
  readonly prices: Prices;
  /** In the order of the configuration. */
  readonly entries: readonly ResidencyEntry[];
}

/** What the ledger and the metrics know of one model. */
export interface ModelFigures {
  readonly usage: ModelUsage;
  readonly tally: RequestTally;
  /** Requests under way or waiting. */
  readonly active: number;
}

/** While a model is used its memory is looked at so often, in milliseconds: what it took is known, too, when it isn't loaded. */
const LOOK_EVERY_MS = 10_000;

/** Counts what is answered, and says what keeping the models resident costs and saves. Looking loads no model and wakes none. */
@Injectable()
export class ResidencyService implements OnModuleDestroy {
  readonly #models: ModelProvider;
  readonly #prices: Prices;
  readonly #since = new Date();
  readonly #start = performance.now();
  readonly #tallies = new Map<string, RequestTally>();
  /** Of each model's engine, as it was seen last, in bytes. */
  readonly #memory = new Map<string, number>();
  #lookAt = 0;
  readonly #stopCounting: () => void;

  constructor(models: ModelProvider, @Inject(MODULE_OPTIONS_TOKEN) prices: ResidencyModuleOptions) {
    this.#models = models;
    this.#prices = prices;
    this.#stopCounting = models.onServed((served) => this.#count(served));
  }

  onModuleDestroy(): void {
    this.#stopCounting();
  }

  ledger(): ResidencyLedger {
    const now = performance.now();
    const figures = this.figures();
    return {
      since: this.#since.toISOString(),
      prices: this.#prices,
      entries: figures.map(({ usage, tally }) =>
        toEntry(usage, tally.requestsPerMinute(now), this.#memory.get(usage.name), this.#prices),
      ),
    };
  }

  /** In the order of the configuration. */
  figures(): ModelFigures[] {
    return this.#models.usage().map((usage) => {
      const { name, engineRss } = usage;
      if (engineRss !== undefined) this.#memory.set(name, engineRss);
      return { usage, tally: this.#tallyOf(name), active: this.#models.describe(name).active };
    });
  }

  #count(served: ServedRequest): void {
    const now = performance.now();
    this.#tallyOf(served.model).record(served, now);
    if (now < this.#lookAt) return;
    this.#lookAt = now + LOOK_EVERY_MS;
    this.figures();
  }

  #tallyOf(model: string): RequestTally {
    let tally = this.#tallies.get(model);
    if (!tally) this.#tallies.set(model, (tally = new RequestTally(this.#start)));
    return tally;
  }
}

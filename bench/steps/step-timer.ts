import { decodeStep, type LiveRow } from '../raw/raw-loop.js';
import type { RawModel } from '../raw/raw-model.js';
import { median } from '../support/statistics.js';
import { seededRandom, wholeBetween } from '../support/seeded-random.js';

/** Rows that decode together, and what happened around them. Numbers are tokens in the cache of a row. */
export interface Scenario {
  readonly rows: readonly number[];
  /** Rows that decoded with them and ended before the steps that are timed. */
  readonly left?: readonly number[];
  /** Rows that keep their cache, but are not in the steps. */
  readonly parked?: readonly number[];
}

/** A step's cost with so many tokens in the caches of its rows. */
export interface StepCost {
  readonly attended: number;
  /** Median. */
  readonly ms: number;
}

/** Ids of ordinary tokens, in every model that is measured. */
const TOKENS = [300, 4000] as const;
const PREFILL_TOKENS = 512;
const STEPS_BEFORE = 3;

/** Makes rows of a length and times decode steps on them. */
export class StepTimer<Cache> {
  readonly #model: RawModel<Cache>;
  readonly #steps: number;
  /** No two rows begin alike: a cache of prefixes can't share them. */
  readonly #random = seededRandom('steps');

  /** @param steps in a timing */
  constructor(model: RawModel<Cache>, steps: number) {
    this.#model = model;
    this.#steps = steps;
  }

  /** Rows of equal length, which grow from one length to the next. */
  async timeGrowing(rowCount: number, lengths: readonly number[]): Promise<StepCost[]> {
    const rows = await this.#makeRows(Array.from({ length: rowCount }, () => 1));
    const costs: StepCost[] = [];
    let length = 1;
    for (const next of lengths) {
      for (const row of rows) await this.#append(row, next - length);
      length = next + this.#steps + STEPS_BEFORE;
      const ms = await this.#time(rows);
      // the timed steps themselves add to what they attend to
      costs.push({ attended: rowCount * Math.round(length - this.#steps / 2), ms });
    }
    this.#release(rows);
    return costs;
  }

  async timeScenario({ rows: lengths, left = [], parked = [] }: Scenario): Promise<StepCost> {
    const leaving = await this.#makeRows(left);
    const aside = await this.#makeRows(parked);
    const rows = await this.#makeRows(lengths);
    for (let i = 0; i < STEPS_BEFORE; i++) await decodeStep(this.#model, [...leaving, ...rows]);
    this.#release(leaving);
    const ms = await this.#time(rows);
    this.#release([...rows, ...aside]);
    const attended = lengths.reduce((total, length) => total + length, 0);
    return { attended, ms };
  }

  async #time(rows: readonly LiveRow<Cache>[]): Promise<number> {
    for (let i = 0; i < STEPS_BEFORE; i++) await decodeStep(this.#model, rows);
    const times: number[] = [];
    for (let i = 0; i < this.#steps; i++) {
      const start = performance.now();
      await decodeStep(this.#model, rows);
      times.push(performance.now() - start);
    }
    return median(times);
  }

  async #makeRows(lengths: readonly number[]): Promise<LiveRow<Cache>[]> {
    const rows: LiveRow<Cache>[] = [];
    for (const length of lengths) {
      const row = { cache: this.#model.createCache(), next: TOKENS[0] };
      await this.#append(row, length);
      rows.push(row);
    }
    return rows;
  }

  async #append({ cache }: LiveRow<Cache>, count: number): Promise<void> {
    for (let done = 0; done < count; done += PREFILL_TOKENS) {
      const length = Math.min(PREFILL_TOKENS, count - done);
      const tokens = Array.from({ length }, () => wholeBetween(this.#random, ...TOKENS));
      await this.#model.forward([{ cache, tokens }]);
    }
  }

  #release(rows: readonly LiveRow<Cache>[]): void {
    for (const { cache } of rows) this.#model.release(cache);
  }
}

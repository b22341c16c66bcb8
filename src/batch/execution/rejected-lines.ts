import type { LineResult } from '../batch-types.js';
import type { LineFormatter, LineKey } from '../lines/line-format.js';
import type { LineProblem } from '../lines/line-problem.js';
import type { StagesRepository } from '../store/stages.repository.js';
import { MOST_CHARACTERS, MOST_RESULTS } from './execution.constants.js';
import type { StageLease } from './stage-lease.js';

/** Lines that are answered with an error without being run, written many at a time under the lease of the stage. */
export class RejectedLines {
  readonly #stages: StagesRepository;
  readonly #batch: number;
  readonly #stage: StageLease;
  readonly #formatter: LineFormatter;
  #results: LineResult[] = [];
  #characters = 0;

  constructor(stages: StagesRepository, batch: number, stage: StageLease, formatter: LineFormatter) {
    this.#stages = stages;
    this.#batch = batch;
    this.#stage = stage;
    this.#formatter = formatter;
  }

  get isFull(): boolean {
    return this.#results.length >= MOST_RESULTS || this.#characters >= MOST_CHARACTERS;
  }

  add(key: LineKey, problem: LineProblem): void {
    const result = this.#formatter.problem(key, problem);
    this.#results.push(result);
    this.#characters += result.body.length;
  }

  /** @throws StageLost */
  async flush(): Promise<void> {
    const results = this.#results;
    this.#results = [];
    this.#characters = 0;
    if (results.length === 0) return;
    this.#stage.check(await this.#stages.reject(this.#batch, this.#stage.lease, results));
  }
}

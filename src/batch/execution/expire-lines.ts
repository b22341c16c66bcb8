import { Inject, Injectable } from '@nestjs/common';
import { ModelProvider } from '../../model/model.provider.js';
import { isMissing } from '../../storage/file-store.js';
import type { BatchLimits, BatchModuleOptions } from '../batch-options.interface.js';
import type { Batch, Chunk } from '../batch-types.js';
import { MODULE_OPTIONS_TOKEN } from '../batch.module-definition.js';
import { BatchInputs } from '../lines/batch-inputs.js';
import { formatterOf } from '../lines/line-format.js';
import type { LineProblem } from '../lines/line-problem.js';
import { parseLine } from '../lines/parse-line.js';
import { readLines } from '../lines/read-lines.js';
import { ChunksRepository } from '../store/chunks.repository.js';
import { ResultsRepository } from '../store/results.repository.js';
import { StagesRepository } from '../store/stages.repository.js';
import { RejectedLines } from './rejected-lines.js';
import { Slices } from './slices.js';
import type { StageLease } from './stage-lease.js';

const EXPIRED: LineProblem = {
  code: 'batch_expired',
  message: 'The time of the batch was over before this line was answered.',
  param: null,
};

/** Answers what is left of batches whose time is over. */
@Injectable()
export class LineExpirer {
  readonly #chunks: ChunksRepository;
  readonly #results: ResultsRepository;
  readonly #stages: StagesRepository;
  readonly #inputs: BatchInputs;
  readonly #models: ModelProvider;
  readonly #limits: BatchLimits;

  constructor(
    chunks: ChunksRepository,
    results: ResultsRepository,
    stages: StagesRepository,
    inputs: BatchInputs,
    models: ModelProvider,
    @Inject(MODULE_OPTIONS_TOKEN) { limits }: BatchModuleOptions,
  ) {
    this.#chunks = chunks;
    this.#results = results;
    this.#stages = stages;
    this.#inputs = inputs;
    this.#models = models;
    this.#limits = limits;
  }

  /** Every line without an answer becomes an error line. @throws StageLost */
  async expire(batch: Batch, stage: StageLease): Promise<void> {
    const formatter = formatterOf(batch, () => this.#models.describe().instanceId ?? null);
    const rejected = new RejectedLines(this.#stages, batch.seq, stage, formatter);
    const slices = new Slices();
    for (const chunk of await this.#chunks.unanswered(batch.seq)) {
      const answered = await this.#results.answeredLines(chunk.batch, chunk.firstLine, chunk.lines);
      const ids = await this.#customIds(batch, chunk);
      for (let line = chunk.firstLine; line < chunk.firstLine + chunk.lines; line++) {
        if (!answered.has(line)) rejected.add({ line, customId: ids.get(line) ?? null }, EXPIRED);
        if (rejected.isFull) await rejected.flush();
        if (slices.isOver) await slices.yield();
      }
      stage.signal.throwIfAborted();
    }
    await rejected.flush();
  }

  /** By line; none if the input is gone. */
  async #customIds(
    batch: Batch,
    { byteStart: start, byteLength, firstLine }: Chunk,
  ): Promise<Map<number, string>> {
    const { maxLineBytes } = this.#limits;
    const { endpoint, lineFormat: format } = batch;
    const ids = new Map<number, string>();
    let line = firstLine;
    try {
      const source = this.#inputs.readPlain(batch, { start, end: start + byteLength - 1 });
      for await (const block of readLines(source, { limit: maxLineBytes, fromStart: start === 0 }))
        for (const read of block) {
          const { customId } = parseLine(read, { format, endpoint, maxLineBytes });
          if (customId !== null) ids.set(line, customId);
          line++;
        }
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
    return ids;
  }
}

import { Inject, Injectable } from '@nestjs/common';
import { FileTooLargeError, isMissing } from '../../storage/file-store.js';
import { ModelProvider } from '../../model/model.provider.js';
import type { BatchLimits, BatchModuleOptions } from '../batch-options.interface.js';
import type { Batch, ChunkRange } from '../batch-types.js';
import { MODULE_OPTIONS_TOKEN } from '../batch.module-definition.js';
import { BatchInputs, isDamagedGzip } from '../lines/batch-inputs.js';
import { ChunkIndex } from '../lines/chunk-index.js';
import { CustomIds } from '../lines/custom-ids.js';
import { formatterOf } from '../lines/line-format.js';
import { parseLine } from '../lines/parse-line.js';
import { readLines, type Line } from '../lines/read-lines.js';
import { ResultsRepository } from '../store/results.repository.js';
import { StagesRepository } from '../store/stages.repository.js';
import { BatchFailure, inputGone } from './batch-failure.js';
import { RejectedLines } from './rejected-lines.js';
import { restartBatch } from './restart-batch.js';
import { Slices } from './slices.js';
import type { StageLease } from './stage-lease.js';

/** Whoever validates a batch again after a kill does the same again. */
@Injectable()
export class BatchValidator {
  readonly #stages: StagesRepository;
  readonly #results: ResultsRepository;
  readonly #inputs: BatchInputs;
  readonly #models: ModelProvider;
  readonly #limits: BatchLimits;

  constructor(
    stages: StagesRepository,
    results: ResultsRepository,
    inputs: BatchInputs,
    models: ModelProvider,
    @Inject(MODULE_OPTIONS_TOKEN) { limits }: BatchModuleOptions,
  ) {
    this.#stages = stages;
    this.#results = results;
    this.#inputs = inputs;
    this.#models = models;
    this.#limits = limits;
  }

  /**
   * Reads the whole input: lines that are no requests are answered with an error, the others are laid out in chunks.
   * @throws StageLost
   */
  async validate(batch: Batch, stage: StageLease): Promise<void> {
    const plainKey = `${batch.id}.input`;
    try {
      if (!(await this.#isAsItWas(batch, stage))) return;
      const isCompressed = await this.#inputs.isCompressed(batch);
      if (isCompressed) await this.#inflate(batch, plainKey, stage);
      const plain = { ...batch, plainKey: isCompressed ? plainKey : null };
      const chunks = await this.#readAll(plain, stage);
      // what was read is what will be run
      if (!(await this.#isAsItWas(batch, stage))) return;
      stage.signal.throwIfAborted();
      await this.#stages.begin(batch.seq, stage.owner, chunks, plain.plainKey);
    } catch (error) {
      const failure = isMissing(error) ? inputGone() : error;
      if (!(failure instanceof BatchFailure)) throw error;
      await this.#stages.fail(batch.seq, stage.owner, [failure.toBatchError()]);
      await this.#inputs.deletePlain(plainKey);
    }
  }

  /** @returns false: it was written to since the batch was made of it, and the batch begins anew */
  async #isAsItWas(batch: Batch, stage: StageLease): Promise<boolean> {
    const state = await this.#inputs.state(batch);
    switch (state.kind) {
      case 'same':
        return true;
      case 'changed':
        await restartBatch(this.#stages, this.#results, batch, stage, state.version);
        return false;
      case 'gone':
        throw inputGone();
      default:
        return state satisfies never;
    }
  }

  async #inflate(batch: Batch, key: string, { signal }: StageLease): Promise<void> {
    const { maxFileBytes } = this.#limits;
    try {
      await this.#inputs.inflate(batch, key, maxFileBytes, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof FileTooLargeError)
        throw new BatchFailure(
          'file_too_large',
          `The input is larger than ${maxFileBytes} bytes once it is inflated. Split it, or raise batch.maxFileSize.`,
        );
      if (isDamagedGzip(error))
        throw new BatchFailure('invalid_gzip', 'The input is damaged: it is gzip, and can not be inflated.');
      throw error;
    }
  }

  async #readAll(batch: Batch, stage: StageLease): Promise<ChunkRange[]> {
    const { maxLineBytes, chunkLines } = this.#limits;
    const formatter = formatterOf(batch, () => this.#models.describe().instanceId ?? null);
    const rejected = new RejectedLines(this.#stages, batch.seq, stage, formatter);
    const reading = new Reading(batch, this.#limits, new ChunkIndex(chunkLines), rejected);
    const slices = new Slices();
    for await (const block of readLines(this.#inputs.readPlain(batch), {
      limit: maxLineBytes,
      fromStart: true,
    })) {
      for (const line of block.flatMap((one) => reading.due(one))) {
        reading.check(line);
        if (rejected.isFull) await rejected.flush();
        if (slices.isOver) await slices.yield();
      }
      stage.signal.throwIfAborted();
    }
    await rejected.flush();
    return reading.end();
  }
}

/** What is known of an input while it is read. */
class Reading {
  readonly #batch: Batch;
  readonly #limits: BatchLimits;
  readonly #index: ChunkIndex;
  readonly #rejected: RejectedLines;
  readonly #ids = new CustomIds();
  /** Blank lines that are the last ones so far: at the end of a file they are no lines. */
  #blanks: Line[] = [];

  constructor(batch: Batch, limits: BatchLimits, index: ChunkIndex, rejected: RejectedLines) {
    this.#batch = batch;
    this.#limits = limits;
    this.#index = index;
    this.#rejected = rejected;
  }

  /** What is known to be a line by now: blank ones only once another comes behind them. */
  due(line: Line): readonly Line[] {
    if (line.kind === 'blank') {
      // those that are too many aren't kept: what comes behind them is too much anyway
      if (this.#index.lines + this.#blanks.length <= this.#limits.maxLines) this.#blanks.push(line);
      return [];
    }
    if (this.#blanks.length === 0) return [line];
    const lines = [...this.#blanks, line];
    this.#blanks = [];
    return lines;
  }

  /** @throws BatchFailure */
  end(): ChunkRange[] {
    if (this.#index.lines === 0 && this.#batch.lineFormat === 'openai')
      throw new BatchFailure('empty_file', 'The input file has no lines.');
    return this.#index.chunks();
  }

  /** Takes in the next line. @throws BatchFailure */
  check(line: Line): void {
    const { maxLines, maxLineBytes } = this.#limits;
    const { endpoint, lineFormat } = this.#batch;
    const number = this.#index.lines + 1;
    if (number > maxLines)
      throw new BatchFailure(
        'too_many_lines',
        `The input has more than ${maxLines} lines. Split it, or raise batch.maxLines.`,
        number,
      );
    const parsed = parseLine(line, { format: lineFormat, endpoint, maxLineBytes });
    const isNew = !parsed.ok || this.#ids.add(parsed.customId);
    if (!parsed.ok) this.#rejected.add({ line: number, customId: parsed.customId }, parsed.problem);
    else if (!isNew)
      this.#rejected.add(
        { line: number, customId: parsed.customId },
        {
          code: 'duplicate_custom_id',
          message: `Another line before it has the custom_id '${parsed.customId}'.`,
          param: 'custom_id',
        },
      );
    this.#index.add(line.length, !parsed.ok || !isNew);
  }
}

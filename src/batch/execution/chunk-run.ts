import { setMaxListeners } from 'node:events';
import type { BatchLimits } from '../batch-options.interface.js';
import type { Batch, Chunk } from '../batch-types.js';
import type { BatchInputs } from '../lines/batch-inputs.js';
import type { LineFormatter } from '../lines/line-format.js';
import { parseLine, type LineRequest } from '../lines/parse-line.js';
import { readLines, type Line } from '../lines/read-lines.js';
import type { LineRunner } from './line-runner.js';

import type { LineSlots } from './line-slots.js';
import { ResultWriter, type Record } from './result-writer.js';
import { Slices } from './slices.js';

export interface ChunkRunOptions {
  readonly batch: Batch;
  readonly chunk: Chunk;
  /** Lines of it that are answered already. */
  readonly answered: ReadonlySet<number>;
  readonly limits: BatchLimits;
  readonly inputs: BatchInputs;
  readonly lines: LineRunner;
  readonly formatter: LineFormatter;
  readonly slots: LineSlots;
  readonly record: Record;
  /** Called for each line that has come to its end. */
  readonly onLine: () => void;
}

/** The input isn't what the chunk was laid out in. */
export class InputMismatch extends Error {}

/** The lines of one chunk on their way: as many at a time as there are slots. */
export class ChunkRun {
  readonly #options: ChunkRunOptions;
  readonly #writer: ResultWriter;
  readonly #ending = new AbortController();
  #inFlight = 0;
  #onSettled: (() => void) | undefined;

  constructor(options: ChunkRunOptions) {
    this.#options = options;
    this.#writer = new ResultWriter(options.record);
    setMaxListeners(0, this.#ending.signal); // one for each line in flight
  }

  /** Ends the lines in flight; those that are answered are still written. */
  abort(reason: Error): void {
    this.#ending.abort(reason);
  }

  /**
   * Runs what isn't answered yet.
   * @throws the reason of `abort`; RunEnded, InputMismatch, or what the input or the writing of results failed with
   */
  async run(): Promise<void> {
    const { signal } = this.#ending;
    await this.#startAll().catch((error: Error) => this.abort(error));
    if (this.#inFlight > 0) await new Promise<void>((resolve) => (this.#onSettled = resolve));
    await this.#writer.end(!signal.aborted);
    signal.throwIfAborted();
  }

  async #startAll(): Promise<void> {
    const { batch, chunk, answered, limits, inputs } = this.#options;
    const { signal } = this.#ending;
    const { byteStart: start, byteLength } = chunk;
    const source = inputs.readPlain(batch, { start, end: start + byteLength - 1 });
    const slices = new Slices();
    let number = chunk.firstLine;
    for await (const block of readLines(source, { limit: limits.maxLineBytes, fromStart: start === 0 })) {
      for (const line of block) {
        if (!answered.has(number)) await this.#start(line, number);
        number++;
        if (slices.isOver) await slices.yield();
        signal.throwIfAborted();
      }
    }
    if (number !== chunk.firstLine + chunk.lines)
      throw new InputMismatch('the input has other lines than it had');
  }

  /** Resolves when the next one may be started. */
  async #start(line: Line, number: number): Promise<void> {
    const { batch, slots, limits } = this.#options;
    const { signal } = this.#ending;
    const { endpoint, lineFormat: format } = batch;
    const parsed = parseLine(line, { format, endpoint, maxLineBytes: limits.maxLineBytes });
    if (!parsed.ok) {
      // validation would have refused it: the input was written to, and what comes of it is not delivered
      const { formatter, onLine } = this.#options;
      this.#writer.add(formatter.problem({ line: number, customId: parsed.customId }, parsed.problem));
      return onLine();
    }
    const wait = slots.take(line.length, signal);
    if (wait) await wait;
    this.#inFlight++;
    void this.#run(number, parsed, line.length);
    if (this.#writer.isFull) await this.#writer.drained();
  }

  /** Never rejects. */
  async #run(line: number, request: LineRequest, bytes: number): Promise<void> {
    const { batch, formatter, lines, slots, onLine } = this.#options;
    const { customId } = request;
    try {
      const run = { batch, formatter, signal: this.#ending.signal };
      this.#writer.add(await lines.answer({ line, customId }, request, run));
    } catch (error) {
      this.abort(error as Error);
    } finally {
      slots.release(bytes);
      onLine();
      if (--this.#inFlight === 0) this.#onSettled?.();
    }
  }
}

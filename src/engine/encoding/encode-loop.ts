import { setImmediate as nextTurn } from 'node:timers/promises';
import { CancelledError, GenerationError, messageOf, type ResidentError } from '../errors.js';
import { MemoryPressure } from '../generation/memory-pressure.js';
import type { StepLoopContext } from '../generation/step-loop.js';
import { isDeviceLost, isOutOfMemory } from '../placement/failures.js';
import { deviceLost, notEnoughMemory } from '../placement/run-errors.js';
import type { EncoderModel, EncoderRow } from './encoder-model.js';
import type { CallContext } from './model-calls.js';
import { planPass, type PlannedInput, type WaitingInput, type WaitingRequest } from './pass-plan.js';

/** What a pass may hold, in tokens with padding. */
export interface PassLimits {
  readonly tokens: number;
  readonly backgroundTokens: number;
}

/** What the rows of a request came to. */
export interface EncodedRows {
  /** One for each row, in order. */
  readonly vectors: readonly Float32Array[];
  /** When the first pass with one of them began, as `performance.now()`. */
  readonly startedAt: number;
}

interface Job extends WaitingRequest {
  waiting: WaitingInput[];
  readonly rows: readonly EncoderRow[];
  readonly vectors: Float32Array[];
  left: number;
  startedAt: number | undefined;
  readonly resolve: (encoded: EncodedRows) => void;
  readonly reject: (error: ResidentError) => void;
}

/** A row in a pass, with whose it is. */
interface PassRow {
  readonly job: Job;
  readonly index: number;
  readonly row: EncoderRow;
}

/** With interactive inputs waiting all the time, so often a pass is the background's. */
const BACKGROUND_EVERY = 4;
/** Passes aren't made smaller for want of memory: a single input may be longer. */
const LEAST_TOKENS = 16;

/**
 * Executes plans: as long as something waits, asks the planner what runs next, and runs it in one pass. What comes during a
 * pass waits for the next one, and shares it. It sleeps without timers; `run` wakes it.
 */
export class EncodeLoop {
  readonly #model: EncoderModel;
  readonly #limits: PassLimits;
  readonly #jobs = new Map<number, Job>();
  #running = false;
  /** Passes in a row in which background inputs waited. */
  #backgroundWaited = 0;
  /** Less than the limit after a pass failed for want of memory. */
  readonly #pressure: MemoryPressure<'tokens'>;
  readonly #onFatal: StepLoopContext['onFatal'];

  constructor(
    model: EncoderModel,
    limits: PassLimits,
    { onCondition = () => undefined, onFatal }: Omit<StepLoopContext, 'contextLength'> = {},
  ) {
    this.#model = model;
    this.#limits = limits;
    this.#onFatal = onFatal;
    this.#pressure = new MemoryPressure({
      dials: { tokens: { most: limits.tokens, least: LEAST_TOKENS } },
      onCondition,
      describe: ({ tokens }) =>
        `a pass has at most ${tokens} of ${limits.tokens} tokens. Give the model more memory, or lower batchTokens.`,
    });
  }

  /**
   * @param rows at least one
   * @throws CancelledError when the signal aborts: what isn't in a pass yet never is
   * @throws GenerationError if the model fails on one of them
   */
  run(rows: readonly EncoderRow[], { id, priority, client, signal }: CallContext): Promise<EncodedRows> {
    if (signal.aborted) return Promise.reject(new CancelledError());
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.#fail(job, new CancelledError());
      const release = (): void => signal.removeEventListener('abort', onAbort);
      const job: Job = {
        id,
        priority,
        client,
        rows,
        waiting: rows.map(({ tokens }, index) => ({ index, length: tokens.length })),
        vectors: [],
        left: rows.length,
        startedAt: undefined,
        resolve: (encoded) => (release(), resolve(encoded)),
        reject: (error) => (release(), reject(error)),
      };
      signal.addEventListener('abort', onAbort, { once: true });
      this.#jobs.set(id, job);
      if (!this.#running) {
        this.#running = true;
        void this.#run();
      }
    });
  }

  async #run(): Promise<void> {
    for (;;) {
      // what came during the pass is read before the next one is chosen; at the beginning, what came together runs together
      await nextTurn();
      if (this.#jobs.size === 0) break;
      await this.#runPass(this.#take(this.#plan()));
    }
    this.#running = false;
  }

  #plan(): PlannedInput[] {
    const backgroundTurn = this.#backgroundWaited >= BACKGROUND_EVERY - 1;
    const { tokens } = this.#pressure.now;
    const backgroundTokens = Math.min(tokens, this.#limits.backgroundTokens);
    return planPass(this.#jobs.values(), { tokens, backgroundTokens, backgroundTurn });
  }

  #take(planned: readonly PlannedInput[]): PassRow[] {
    const now = performance.now();
    const byJob = new Map<Job, Set<number>>();
    const rows = planned.map(({ request, index }) => {
      const job = this.#jobs.get(request) as Job;
      const indices = byJob.get(job) ?? new Set();
      byJob.set(job, indices.add(index));
      return { job, index, row: job.rows[index] as EncoderRow };
    });
    for (const [job, indices] of byJob) {
      job.startedAt ??= now;
      job.waiting = job.waiting.filter(({ index }) => !indices.has(index));
    }
    this.#countWaiting(rows);
    return rows;
  }

  #countWaiting(rows: readonly PassRow[]): void {
    const waits = [...this.#jobs.values()].some(
      ({ priority, waiting }) => priority === 'background' && waiting.length > 0,
    );
    const served = rows[0]?.job.priority === 'background';
    this.#backgroundWaited = waits && !served ? this.#backgroundWaited + 1 : 0;
  }

  /** If it fails, in halves: what is wrong with one input is nobody else's failure. */
  async #runPass(rows: readonly PassRow[]): Promise<void> {
    const left = rows.filter(({ job }) => this.#jobs.get(job.id) === job);
    if (left.length === 0) return;
    try {
      const vectors = await this.#model.forward(left.map(({ row }) => row));
      this.#pressure.notePass();
      for (const [i, { job, index }] of left.entries()) this.#deliver(job, index, vectors[i] as Float32Array);
    } catch (error) {
      this.#noteFailure(left, error);
      const [only] = left;
      if (left.length === 1 && only) return this.#fail(only.job, failureOf(only, error));
      const middle = Math.ceil(left.length / 2);
      for (const half of [left.slice(0, middle), left.slice(middle)]) {
        await nextTurn();
        await this.#runPass(half);
      }
    }
  }

  /** There isn't the memory for a pass of so many tokens: the next ones are planned smaller. */
  #noteFailure(rows: readonly PassRow[], error: unknown): void {
    if (isDeviceLost(error)) this.#onFatal?.(deviceLost(error));
    if (!isOutOfMemory(error)) return;
    const longest = Math.max(...rows.map(({ row }) => row.tokens.length));
    this.#pressure.cut('tokens', (rows.length * longest) / 2);
    this.#pressure.noteShortage();
  }

  #deliver(job: Job, index: number, vector: Float32Array): void {
    job.vectors[index] = vector;
    job.left--;
    if (job.left > 0 || this.#jobs.get(job.id) !== job) return;
    this.#jobs.delete(job.id);
    job.resolve({ vectors: job.vectors, startedAt: job.startedAt ?? 0 });
  }

  #fail(job: Job, error: ResidentError): void {
    if (this.#jobs.get(job.id) === job) this.#jobs.delete(job.id);
    job.reject(error);
  }
}

function failureOf({ index, row }: PassRow, error: unknown): GenerationError {
  if (isOutOfMemory(error)) return notEnoughMemory(error);
  return new GenerationError(
    `The model failed on input ${index} of ${row.tokens.length} tokens: ${messageOf(error)}`,
    { cause: error },
  );
}

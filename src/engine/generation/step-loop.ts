import { setImmediate as nextTurn } from 'node:timers/promises';
import { GenerationError, messageOf, type ResidentError } from '../errors.js';
import type { CausalModel, ForwardRow, SequenceCache } from '../models/causal-model.js';
import { isDeviceLost, isOutOfMemory } from '../placement/failures.js';
import { deviceLost, notEnoughMemory } from '../placement/run-errors.js';
import { planAdmission } from '../scheduling/admission.js';
import type { BackgroundShare, Limits } from '../scheduling/scheduled.js';
import { planStep, type PlannedRow } from '../scheduling/step-plan.js';
import { chooseVictim } from '../scheduling/victim.js';
import type { GenerationEvent } from '../types.js';
import { BackgroundPace } from './background-pace.js';
import { Entry } from './entry.js';
import { MemoryPressure } from './memory-pressure.js';
import type { Sequence } from './sequence.js';

/** Where a sequence's events go. One of `finish` and `failed` comes last, unless the sequence was cancelled. */
export interface SequenceSink {
  event(event: GenerationEvent): void;
  failed(error: ResidentError): void;
}

interface StepRow<Cache extends SequenceCache> extends ForwardRow<Cache> {
  readonly entry: Entry<Cache>;
}

/** What the loop is told besides what it runs, and whom it tells how it fares. */
export interface StepLoopContext {
  /** Most tokens of one sequence: the cache isn't limited to less. Default: what the whole cache holds. */
  readonly contextLength?: number | undefined;
  /** What runs worse than it should: a sentence; undefined: it is well again. */
  readonly onCondition?: ((degraded: string | undefined) => void) | undefined;
  /** The device is lost. */
  readonly onFatal?: ((reason: string) => void) | undefined;
}

/** Of the cache, what is left to use each time that memory runs short. */
const CACHE_SHARE = 3 / 4;

/**
 * Executes plans: as long as there is work, asks the scheduler who has a row and what the next step runs, runs its passes, and
 * hands out the events. Sequences join and leave between two passes. It sleeps without timers; `add` wakes it.
 */
export class StepLoop<Cache extends SequenceCache = SequenceCache> {
  readonly #model: CausalModel<Cache>;
  readonly #limits: Limits;
  readonly #instanceId: string;
  readonly #pace: BackgroundPace;
  readonly #entries = new Map<number, Entry<Cache>>();
  /** Caches of the pass that is being run, which must stay as they are until it ends. */
  readonly #inPass = new Set<Cache>();
  #running = false;
  #steps = 0;
  /** An interactive sequence came since the step was planned. */
  #overtaken = false;
  /** The last step was ended early for it: this one isn't, so that background work goes on however many come. */
  #cutShort = false;
  /** Less than the limits after a pass failed for want of memory. */
  readonly #pressure: MemoryPressure<'rows' | 'blocks'>;
  readonly #onFatal: ((reason: string) => void) | undefined;

  constructor(
    model: CausalModel<Cache>,
    limits: Limits,
    instanceId: string,
    { contextLength = Infinity, onCondition = () => undefined, onFatal }: StepLoopContext = {},
  ) {
    this.#model = model;
    this.#limits = limits;
    this.#instanceId = instanceId;
    this.#onFatal = onFatal;
    const { blocks, blockTokens } = model;
    this.#pressure = new MemoryPressure({
      dials: {
        rows: { most: limits.maxRows, least: limits.backgroundRows + 1 },
        blocks: { most: blocks, least: Math.min(blocks, Math.ceil(contextLength / blockTokens)) },
      },
      onCondition,
      describe: (now) =>
        `at most ${now.rows} of ${limits.maxRows} sequences run at once, and the KV cache holds ${now.blocks * blockTokens} of ` +
        `${blocks * blockTokens} tokens. Give the model more memory, or lower maxRows and kvCacheMemory.`,
    });
    const { maxRows, backgroundPassMs: passMs } = limits;
    this.#pace = new BackgroundPace({ maxRows, passMs, now: performance.now.bind(performance) });
  }

  add(sequence: Sequence, sink: SequenceSink): void {
    this.#entries.set(sequence.id, new Entry(sequence, sink, this.#model));
    if (sequence.priority === 'interactive') {
      this.#overtaken = true;
      this.#pace.noteInteractive();
    }
    if (!this.#running) {
      this.#running = true;
      void this.#run();
    }
  }

  /** Nothing runs and nothing waits. */
  get idle(): boolean {
    return !this.#running;
  }

  /** Takes the sequence out before the next pass. Nothing is reported for it any more. */
  cancel(id: number): void {
    const entry = this.#entries.get(id);
    if (!entry) return;
    this.#entries.delete(id);
    this.#release(entry);
  }

  async #run(): Promise<void> {
    while (this.#entries.size > 0) await this.#step();
    this.#running = false;
  }

  async #step(): Promise<void> {
    this.#overtaken = false;
    const share = this.#pace.share();
    this.#admit(share);
    const running = [...this.#entries.values()].filter((entry) => entry.running);
    const { prefill, decode } = planStep(running, this.#limits, this.#steps++, share);
    const parts = this.#model.mixesRows ? [[...prefill, ...decode]] : [prefill, decode];
    for (const planned of parts) {
      const rows = this.#reserve(planned);
      for (const pass of this.#model.passes(rows)) {
        if (this.#overtaken && !this.#cutShort && isBackground(pass)) {
          this.#cutShort = true;
          return;
        }
        await this.#runInParts(pass);
        // what came during the pass is read before the next one is chosen, not while that runs
        await nextTurn();
      }
    }
    this.#cutShort = false;
  }

  #admit(share: BackgroundShare): void {
    const { blockTokens, availableBlocks } = this.#model;
    const limits = { ...this.#limits, maxRows: this.#pressure.now.rows };
    const room = { blockTokens, available: availableBlocks };
    const plan = planAdmission(this.#entries.values(), limits, room, share);
    for (const id of plan.park) this.#entry(id).running = false;
    for (const id of plan.evict) this.#evict(this.#entry(id));
    for (const id of plan.admit) this.#entry(id).start();
  }

  /** Room in the cache for what the rows run, taken from others where it must be; who loses its own cache runs later. */
  #reserve(planned: readonly PlannedRow[]): StepRow<Cache>[] {
    const rows: StepRow<Cache>[] = [];
    for (const { id, count } of planned) {
      const entry = this.#entries.get(id);
      const cache = entry && this.#makeRoom(entry, count);
      if (cache) rows.push({ entry, cache, tokens: entry.next(count) });
    }
    return rows.filter(({ entry, cache }) => entry.cache === cache);
  }

  /** @returns its cache, unless that is what had to be given up */
  #makeRoom(entry: Entry<Cache>, count: number): Cache | undefined {
    for (;;) {
      const { cache } = entry;
      if (!cache || this.#model.reserve(cache, count)) return cache;
      this.#evict(chooseVictim(this.#entries.values(), entry));
    }
  }

  /** Those that had rows before there were fewer of them keep theirs. */
  async #runInParts(pass: readonly StepRow<Cache>[]): Promise<void> {
    const size = this.#pressure.now.rows;
    for (let i = 0; i < pass.length; i += size) await this.#runPass(pass.slice(i, i + size));
  }

  async #runPass(pass: readonly StepRow<Cache>[]): Promise<void> {
    const rows = pass.filter(({ entry }) => this.#entries.has(entry.id)); // some were cancelled meanwhile
    if (rows.length === 0) return;
    for (const { entry, cache } of rows) {
      this.#inPass.add(cache);
      entry.notePass();
    }
    const started = performance.now();
    let failure: unknown;
    const predictions = await this.#predict(rows).catch((error: unknown): number[] => {
      failure = error ?? new Error('the pass failed');
      return [];
    });
    this.#inPass.clear();
    this.#releaseCancelled(rows);
    if (failure !== undefined) return this.#onFailure(rows, failure);
    if (this.#pressure.notePass()) this.#limitCache();
    if (isBackground(rows) && rows.every(({ tokens }) => tokens.length === 1)) {
      this.#pace.observe(rows.length, performance.now() - started);
    }
    rows.forEach(({ entry }, i) => this.#advance(entry, predictions[i] as Float32Array | number));
  }

  #predict(rows: readonly StepRow<Cache>[]): Promise<Float32Array[] | number[]> {
    const model = this.#model;
    const onlyBest = model.best && rows.every(({ entry: { sequence } }) => sequence.takesBest);
    return onlyBest && model.best ? model.best(rows) : model.forward(rows);
  }

  #advance(entry: Entry<Cache>, prediction: Float32Array | number): void {
    if (!this.#entries.has(entry.id) || entry.pending > 0) return;
    try {
      for (const event of entry.sequence.advance(prediction)) {
        // with the first token, not before: what has answered nothing can be begun anew elsewhere
        if (!entry.started) this.#start(entry);
        if (!this.#entries.has(entry.id)) return; // cancelled by what receives its events
        if (event.type === 'finish') this.#remove(entry);
        entry.sink.event(event);
      }
    } catch (error) {
      this.#fail(entry, error);
    }
  }

  #start(entry: Entry<Cache>): void {
    entry.started = true;
    const promptTokens = entry.sequence.promptTokens.length;
    const { timing } = entry;
    entry.sink.event({ type: 'start', instanceId: this.#instanceId, promptTokens, timing });
  }

  /**
   * A pass fails when there isn't the memory for it: from then on fewer rows run at once. Or because of one of its rows: its
   * halves are run by themselves, down to the one that fails alone, and then it wasn't their number. A row that there isn't the memory
   * for alone is halved, too, down to a token.
   */
  async #onFailure(rows: readonly StepRow<Cache>[], error: unknown): Promise<void> {
    if (isDeviceLost(error)) this.#onFatal?.(deviceLost(error));
    const short = isOutOfMemory(error);
    const parts = rows.length > 1 ? inHalves(rows) : short ? inPieces(rows) : [];
    if (rows.length > 1) this.#pressure.cut('rows', Math.ceil(rows.length / 2));
    // not their number; where memory runs short, it may be
    else if (!short) this.#pressure.restore('rows');
    if (short) this.#noteShortage();
    const [row] = rows;
    if (parts.length === 0 && row) return this.#fail(row.entry, short ? notEnoughMemory(error) : error);
    for (const part of parts) await this.#runPass(part);
  }

  /** The cache doesn't grow any more, until there have been passes enough without a failure. */
  #noteShortage(): void {
    let held = 0;
    for (const { blocks } of this.#entries.values()) held += blocks;
    this.#pressure.cut('blocks', Math.min(held, this.#pressure.now.blocks * CACHE_SHARE));
    this.#limitCache();
    this.#pressure.noteShortage();
  }

  #limitCache(): void {
    this.#model.limitBlocks?.(this.#pressure.now.blocks);
  }

  #fail(entry: Entry<Cache>, cause: unknown): void {
    if (!this.#entries.has(entry.id)) return; // cancelled while the pass ran
    this.#remove(entry);
    entry.sink.failed(
      cause instanceof GenerationError
        ? cause
        : new GenerationError(`The model failed on this request: ${messageOf(cause)}`, { cause }),
    );
  }

  #remove(entry: Entry<Cache>): void {
    if (entry.priority === 'interactive') this.#pace.noteInteractive();
    this.#entries.delete(entry.id);
    this.#release(entry);
  }

  #evict(entry: Entry<Cache>): void {
    entry.running = false;
    this.#release(entry);
  }

  #release(entry: Entry<Cache>): void {
    const { cache } = entry;
    if (!cache || this.#inPass.has(cache)) return; // in a pass: released behind it
    entry.cache = undefined;
    this.#model.close(cache);
  }

  #releaseCancelled(rows: readonly StepRow<Cache>[]): void {
    for (const { entry } of rows) {
      if (!this.#entries.has(entry.id)) this.#release(entry);
    }
  }

  #entry(id: number): Entry<Cache> {
    return this.#entries.get(id) as Entry<Cache>;
  }
}

function isBackground(pass: readonly StepRow<SequenceCache>[]): boolean {
  return pass.every(({ entry }) => entry.priority === 'background');
}

function inHalves<Row>(rows: readonly Row[]): Row[][] {
  const half = Math.ceil(rows.length / 2);
  return [rows.slice(0, half), rows.slice(half)];
}

/** One row in two passes, half of its tokens in each; none if it has only one. */
function inPieces<Cache extends SequenceCache>([row]: readonly StepRow<Cache>[]): StepRow<Cache>[][] {
  if (!row || row.tokens.length < 2) return [];
  return inHalves(row.tokens).map((tokens) => [{ ...row, tokens }]);
}

import { planAdmission } from '../../../src/engine/scheduling/admission.js';
import { type Limits, type Scheduled } from '../../../src/engine/scheduling/scheduled.js';
import { planStep, type PlannedRow } from '../../../src/engine/scheduling/step-plan.js';
import { chooseVictim } from '../../../src/engine/scheduling/victim.js';
import type { Priority } from '../../../src/engine/types.js';

export interface Arrival {
  /** The step before which it comes. */
  readonly at: number;
  readonly priority: Priority;
  readonly client: string;
  readonly prompt: number;
  readonly completion: number;
}

export interface SimulationOptions {
  readonly limits: Limits;
  readonly blockTokens: number;
  readonly blocks: number;
}

export class Simulated implements Scheduled {
  running = false;
  /** It has a cache; a new one is empty. */
  open = false;
  tokens: number;
  cached = 0;
  blocks = 0;
  /** Step in which its first token came, and its last. */
  firstAt = -1;
  endedAt = -1;
  /** Tokens that were run for it. */
  ran = 0;
  evictions = 0;

  constructor(
    readonly id: number,
    readonly arrival: Arrival,
  ) {
    this.tokens = arrival.prompt;
  }

  get priority(): Priority {
    return this.arrival.priority;
  }

  get client(): string {
    return this.arrival.client;
  }

  get length(): number {
    return this.arrival.prompt + this.arrival.completion;
  }
}

/** The step loop without a model: what the scheduler decides is carried out on numbers. */
export class Simulation {
  readonly ended: Simulated[] = [];
  readonly #options: SimulationOptions;
  readonly #arrivals: Arrival[];
  readonly #active = new Map<number, Simulated>();
  #available: number;
  #lastId = 0;
  step = 0;
  /** Steps in which something waited and nothing was run. */
  idleSteps = 0;

  constructor(options: SimulationOptions, arrivals: readonly Arrival[]) {
    this.#options = options;
    this.#available = options.blocks;
    this.#arrivals = arrivals.toSorted((a, b) => a.at - b.at);
  }

  get done(): boolean {
    return this.#arrivals.length === 0 && this.#active.size === 0;
  }

  get active(): readonly Simulated[] {
    return [...this.#active.values()];
  }

  /** Runs until all have ended, or so many steps. */
  run(steps: number): this {
    while (!this.done && this.step < steps) this.#step();
    return this;
  }

  #step(): void {
    while ((this.#arrivals[0]?.at ?? Infinity) <= this.step) {
      const sequence = new Simulated(++this.#lastId, this.#arrivals.shift() as Arrival);
      this.#active.set(sequence.id, sequence);
    }
    this.#admit();
    const { limits } = this.#options;
    const { prefill, decode } = planStep(
      this.active.filter(({ running }) => running),
      limits,
      this.step,
    );
    const before = this.#active.size;
    const ran = this.#run(prefill) + this.#run(decode);
    if (before > 0 && ran === 0) this.idleSteps++;
    this.step++;
    this.#check();
  }

  #admit(): void {
    const { limits, blockTokens } = this.#options;
    const room = { blockTokens, available: this.#available };
    const plan = planAdmission(this.#active.values(), limits, room);
    for (const id of plan.park) this.#of(id).running = false;
    for (const id of plan.evict) this.#evict(this.#of(id));
    for (const id of plan.admit) {
      this.#of(id).running = true;
      this.#of(id).open = true;
    }
  }

  #run(planned: readonly PlannedRow[]): number {
    const rows = planned.filter(({ id, count }) => this.#reserve(id, count));
    // who lost its cache to one behind it doesn't run
    const left = rows.filter(({ id }) => this.#of(id).open);
    for (const { id, count } of left) this.#advance(this.#of(id), count);
    return left.length;
  }

  #reserve(id: number, count: number): boolean {
    const sequence = this.#of(id);
    while (sequence.open) {
      const more = Math.ceil((sequence.cached + count) / this.#options.blockTokens) - sequence.blocks;
      if (more <= this.#available) {
        sequence.blocks += Math.max(0, more);
        this.#available -= Math.max(0, more);
        return true;
      }
      this.#evict(chooseVictim(this.#active.values(), sequence));
    }
    return false;
  }

  #advance(sequence: Simulated, count: number): void {
    sequence.cached += count;
    sequence.ran += count;
    if (sequence.cached < sequence.tokens) return;
    sequence.tokens++;
    if (sequence.firstAt < 0) sequence.firstAt = this.step;
    if (sequence.tokens < sequence.length) return;
    sequence.endedAt = this.step;
    this.#active.delete(sequence.id);
    this.#available += sequence.blocks;
    this.ended.push(sequence);
  }

  #evict(sequence: Simulated): void {
    this.#available += sequence.blocks;
    if (sequence.blocks > 0) sequence.evictions++;
    Object.assign(sequence, { blocks: 0, cached: 0, open: false, running: false });
  }

  #check(): void {
    const held = this.active.reduce((sum, { blocks }) => sum + blocks, 0);
    if (held + this.#available !== this.#options.blocks || this.#available < 0)
      throw new Error('blocks leaked');
  }

  #of(id: number): Simulated {
    return this.#active.get(id) as Simulated;
  }
}

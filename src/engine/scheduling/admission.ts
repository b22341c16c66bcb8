import type { Priority } from '../types.js';
import {
  blocksFor,
  WHOLE_SHARE,
  type BackgroundShare,
  type CacheRoom,
  type Limits,
  type Scheduled,
} from './scheduled.js';

/** What changes before the next step, in this order. */
export interface AdmissionPlan {
  /** Give up their row and keep their cache: they go on later where they are. */
  readonly park: readonly number[];
  /** Give up their cache (and their row, if they have one): they go on later by running their tokens again. */
  readonly evict: readonly number[];
  /** Get a row. */
  readonly admit: readonly number[];
}

/**
 * Decides who has a row in the next step. Interactive sequences come first and take rows and cache from background ones,
 * down to the rows that those keep; within a priority, the client with the fewest rows is next, and of one client's
 * sequences the first come. Who is next and doesn't fit into the cache waits, and everyone behind it, too: a long prompt
 * would otherwise wait as long as short ones keep coming. Background sequences beyond their share of rows are parked.
 *
 * A pure function.
 */
export function planAdmission(
  sequences: Iterable<Scheduled>,
  limits: Limits,
  room: CacheRoom,
  background: BackgroundShare = WHOLE_SHARE,
): AdmissionPlan {
  const all = [...sequences];
  const most = Math.max(limits.backgroundRows, background.rows);
  if (all.length <= most && all.every(({ running }) => running)) return { park: [], evict: [], admit: [] };
  const planner = new Planner(all, limits, room, most);
  planner.parkBackground();
  planner.admitInteractive();
  planner.admitBackground();
  return planner.plan;
}

class Planner {
  readonly plan = { park: [] as number[], evict: [] as number[], admit: [] as number[] };
  readonly #limits: Limits;
  readonly #room: CacheRoom;
  /** Background rows at most. */
  readonly #most: number;
  readonly #waiting: Readonly<Record<Priority, Scheduled[]>>;
  /** Background sequences with a row, the newest last. */
  readonly #preemptible: Scheduled[];
  /**
   * Background sequences that have a row or hold a part of the cache, the first to lose both last: parked ones before running ones,
   * newest first.
   */
  readonly #evictable: Scheduled[];
  readonly #evicted = new Set<Scheduled>();
  readonly #rowsOf = new Map<string, number>();
  #rows = 0;
  #available: number;
  /** Background sequences, with a row or not. */
  readonly #background: number;

  constructor(all: readonly Scheduled[], limits: Limits, room: CacheRoom, most: number) {
    this.#limits = limits;
    this.#room = room;
    this.#most = most;
    this.#available = room.available;
    const byArrival = all.toSorted((a, b) => a.id - b.id);
    const waiting = byArrival.filter(({ running }) => !running);
    this.#waiting = {
      interactive: waiting.filter(({ priority }) => priority === 'interactive'),
      background: waiting.filter(({ priority }) => priority === 'background'),
    };
    const background = byArrival.filter(({ priority }) => priority === 'background');
    this.#background = background.length;
    this.#preemptible = background.filter(({ running }) => running);
    this.#evictable = [
      // also those that hold nothing yet: room for what they will run is kept
      ...background.filter(({ running }) => running),
      ...background.filter(({ running, blocks }) => !running && blocks > 0),
    ];
    for (const sequence of byArrival) {
      if (sequence.running) this.#take(sequence);
    }
  }

  parkBackground(): void {
    while (this.#preemptible.length > this.#most) this.#park();
  }

  admitInteractive(): void {
    const kept = Math.min(this.#limits.backgroundRows, this.#background);
    let rows = this.#rows - this.#preemptible.length;
    for (let next = this.#next('interactive'); next; next = this.#next('interactive')) {
      if (rows >= this.#limits.maxRows - kept || !this.#makeRoom(next)) return;
      if (this.#rows >= this.#limits.maxRows) this.#park();
      this.#admit(next);
      rows++;
    }
  }

  admitBackground(): void {
    let rows = this.#preemptible.length;
    const most = this.#waiting.interactive.length > 0 ? this.#limits.backgroundRows : this.#most;
    for (let next = this.#next('background'); next; next = this.#next('background')) {
      if (rows >= most || this.#rows >= this.#limits.maxRows || !this.#makeRoom(next)) return;
      this.#admit(next);
      rows++;
    }
  }

  /** The client with the fewest rows, and its oldest sequence. */
  #next(priority: Priority): Scheduled | undefined {
    let best: Scheduled | undefined;
    let fewest = Infinity;
    for (const sequence of this.#waiting[priority]) {
      const rows = this.#rowsOf.get(clientOf(sequence)) ?? 0;
      if (rows < fewest) {
        best = sequence;
        fewest = rows;
      }
      if (rows === 0) break;
    }
    return best;
  }

  #admit(sequence: Scheduled): void {
    const queue = this.#waiting[sequence.priority];
    queue.splice(queue.indexOf(sequence), 1);
    this.#take(sequence);
    this.plan.admit.push(sequence.id);
    // it runs now: it is not a parked one any more
    const at = this.#evictable.indexOf(sequence);
    if (at >= 0) this.#evictable.splice(at, 1);
  }

  /** A row, and the blocks that what it still has to run will take. */
  #take(sequence: Scheduled): void {
    const client = clientOf(sequence);
    this.#rowsOf.set(client, (this.#rowsOf.get(client) ?? 0) + 1);
    this.#rows++;
    this.#available -= this.#needed(sequence);
  }

  #needed(sequence: Scheduled): number {
    const held = this.#evicted.has(sequence) ? 0 : sequence.blocks;
    return Math.max(0, blocksFor(sequence.tokens, this.#room) - held);
  }

  /** Blocks that are missing for this sequence to run what it has, and for each that runs already to grow by one. */
  #missing(sequence: Scheduled): number {
    return this.#needed(sequence) + this.#rows - this.#available;
  }

  /** Takes cache from those that this one goes before, if, and only if, that is enough. */
  #makeRoom(sequence: Scheduled): boolean {
    const missing = this.#missing(sequence);
    if (missing <= 0) return true;
    const victims = this.#victims(sequence);
    // a row that goes doesn't grow any more
    const rows = victims.filter((each) => this.#preemptible.includes(each)).length;
    const held = victims.reduce((sum, each) => sum + this.#freedBy(each), rows);
    if (held < missing) return false;
    while (this.#missing(sequence) > 0) this.#evict(victims.pop() as Scheduled);
    return true;
  }

  /** The first to lose its cache last. Background work takes it from parked background work only. */
  #victims(sequence: Scheduled): Scheduled[] {
    const interactive = sequence.priority === 'interactive';
    return this.#evictable.filter((each) => each !== sequence && (interactive || !each.running));
  }

  #freedBy(sequence: Scheduled): number {
    return sequence.blocks + (this.#preemptible.includes(sequence) ? this.#needed(sequence) : 0);
  }

  #evict(sequence: Scheduled): void {
    this.#available += this.#freedBy(sequence);
    this.#evicted.add(sequence);
    this.plan.evict.push(sequence.id);
    this.#evictable.splice(this.#evictable.indexOf(sequence), 1);
    const at = this.#preemptible.indexOf(sequence);
    if (at >= 0) this.#leaveRow(at);
  }

  #park(): void {
    const newest = this.#preemptible.at(-1) as Scheduled;
    this.#available += this.#needed(newest);
    this.plan.park.push(newest.id);
    if (newest.blocks === 0) this.#evictable.splice(this.#evictable.indexOf(newest), 1);
    this.#leaveRow(this.#preemptible.length - 1);
  }

  #leaveRow(at: number): void {
    const [sequence] = this.#preemptible.splice(at, 1) as [Scheduled];
    const client = clientOf(sequence);
    this.#rowsOf.set(client, (this.#rowsOf.get(client) ?? 0) - 1);
    this.#rows--;
  }
}

/** Clients of different priorities don't compete for rows. */
function clientOf({ priority, client }: Scheduled): string {
  return `${priority}:${client}`;
}

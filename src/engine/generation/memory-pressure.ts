/** What is given up for want of memory: an amount between `least` and `most`. */
export interface Dial {
  readonly most: number;
  readonly least: number;
}

export interface MemoryPressureOptions<Name extends string> {
  readonly dials: Readonly<Record<Name, Dial>>;
  /** A sentence about what it runs with now, told when memory ran short again and again; undefined: it is well again. */
  readonly onCondition: (degraded: string | undefined) => void;
  readonly describe: (now: Readonly<Record<Name, number>>) => string;
}

/** After so many passes without a failure, a part of what was given up is tried again. */
const RECOVERY_PASSES = 64;
/** That part, of the whole. At least 1. */
const RECOVERY_SHARE = 1 / 32;
/** So often memory ran short before all was restored: that is no accident any more. */
const DEGRADED_SHORTAGES = 2;

/**
 * How much is run at once after memory ran short: less at once, and slowly more again. Counts passes, not time: what has nothing to do
 * can't fail.
 */
export class MemoryPressure<Name extends string> {
  readonly #options: MemoryPressureOptions<Name>;
  readonly #names: readonly Name[];
  readonly #now: Record<Name, number>;
  #shortages = 0;
  #calmPasses = 0;
  #degraded = false;

  constructor(options: MemoryPressureOptions<Name>) {
    this.#options = options;
    this.#names = Object.keys(options.dials) as Name[];
    this.#now = Object.fromEntries(this.#names.map((name) => [name, options.dials[name].most])) as Record<
      Name,
      number
    >;
  }

  /** What may be used at most. */
  get now(): Readonly<Record<Name, number>> {
    return this.#now;
  }

  /** Takes a dial down to an amount, never up and never below its least. */
  cut(name: Name, to: number): void {
    const { least } = this.#options.dials[name];
    this.#now[name] = Math.max(Math.min(least, this.#now[name]), Math.min(this.#now[name], Math.floor(to)));
    this.#calmPasses = 0;
  }

  /** It wasn't for want of this: all of it can be used. */
  restore(name: Name): void {
    this.#now[name] = this.#options.dials[name].most;
  }

  /** Memory ran short; what is used was cut, unless it was one request that is larger than all of that. */
  noteShortage(): void {
    this.#calmPasses = 0;
    if (++this.#shortages < DEGRADED_SHORTAGES || this.#isWhole) return;
    this.#degraded = true;
    this.#options.onCondition(
      `Memory ran short ${this.#shortages} times: ${this.#options.describe(this.#now)}`,
    );
  }

  /** A pass went well. @returns whether something may be used again that was given up */
  notePass(): boolean {
    if (this.#isWhole && this.#shortages === 0) return false;
    if (++this.#calmPasses % RECOVERY_PASSES !== 0) return false;
    for (const name of this.#names) {
      const { most } = this.#options.dials[name];
      this.#now[name] = Math.min(most, this.#now[name] + Math.max(1, Math.floor(most * RECOVERY_SHARE)));
    }
    if (this.#isWhole) this.#recover();
    return true;
  }

  #recover(): void {
    this.#shortages = 0;
    if (this.#degraded) this.#options.onCondition(undefined);
    this.#degraded = false;
  }

  get #isWhole(): boolean {
    return this.#names.every((name) => this.#now[name] === this.#options.dials[name].most);
  }
}

import { EngineDeadError, ResidentError, messageOf } from '../../engine/errors.js';
import type { OperationAnswer } from '../../transport/operation.js';
import { orAborted } from './aborts.js';

/** Something that may end the engine. */
export interface Attempt {
  /** The model that it needs. */
  readonly model: string;
  readonly signal: AbortSignal;
  /** @throws EngineDeadError if the engine ended meanwhile */
  run(): Promise<OperationAnswer>;
}

interface Suspect {
  readonly attempt: Attempt;
  /** Times that the engine ended with nothing of ours but this in flight. */
  deathsAlone: number;
  readonly resolve: (answer: OperationAnswer) => void;
  readonly reject: (error: Error) => void;
}

type Group = readonly Suspect[];

/** The engine ended each time that this ran alone: it isn't to be tried again. */
export class PoisonError extends EngineDeadError {
  constructor() {
    super(
      'This line ended the engine each time that it ran, the last times by itself. It is not tried again.',
    );
  }
}

const MOST_DEATHS_ALONE = 2;
const MOST_PROBES = 3;

/**
 * Finds out which of the lines in flight ended the engine. When it dies, all of them are suspects: nothing else is let through
 * while they run in halves, and the halves that died in halves again, until single ones are left. With `k` culprits among `n`
 * lines that takes about `k * (log2(n) + 2)` deaths. Halves wait for their turn behind the others, so that what can succeed does
 * so in between; and before each the engine is asked something harmless: if it can't answer that, no line is to blame.
 */
export class PoisonIsolation {
  readonly #probe: (model: string) => Promise<void>;
  #running = 0;
  #whenQuiet: (() => void) | undefined;
  #suspects: Suspect[] = [];
  #isolating: Promise<void> | undefined;

  /** @param probe waits until the model is there, and asks it something harmless; rejects if it dies of that, or can't be had */
  constructor(probe: (model: string) => Promise<void>) {
    this.#probe = probe;
  }

  /**
   * Runs something; if the engine dies, again until it is known who ended it.
   * @throws PoisonError it was this; ResidentError whatever else it throws
   */
  async run(attempt: Attempt): Promise<OperationAnswer> {
    while (this.#isolating) await orAborted(this.#isolating, attempt.signal);
    this.#running++;
    try {
      return await attempt.run();
    } catch (error) {
      if (!(error instanceof EngineDeadError)) throw error;
    } finally {
      if (--this.#running === 0) this.#whenQuiet?.();
    }
    return this.#suspect(attempt);
  }

  #suspect(attempt: Attempt): Promise<OperationAnswer> {
    const answer = new Promise<OperationAnswer>((resolve, reject) =>
      this.#suspects.push({ attempt, deathsAlone: 0, resolve, reject }),
    );
    this.#isolating ??= this.#isolate().finally(() => (this.#isolating = undefined));
    return orAborted(answer, attempt.signal);
  }

  async #isolate(): Promise<void> {
    if (this.#running > 0) await new Promise<void>((resolve) => (this.#whenQuiet = resolve));
    this.#whenQuiet = undefined;
    const groups: Group[] = halves(this.#suspects.splice(0));
    for (let group = groups.shift(); group; group = groups.shift()) {
      try {
        await this.#askModels(group);
      } catch (error) {
        for (const { reject } of [group, ...groups.splice(0)].flat()) reject(error as Error);
        return;
      }
      groups.push(...(await this.#test(group)));
    }
  }

  /** @returns what is to be run again */
  async #test(group: Group): Promise<Group[]> {
    const ends = await Promise.all(group.map(runOnce));
    const died = group.filter((_, index) => ends[index] === 'died');
    const [only, another] = died;
    if (!only) return [];
    if (another || group.length > 1) return halves(died);
    if (++only.deathsAlone < MOST_DEATHS_ALONE) return [died];
    only.reject(new PoisonError());
    return [];
  }

  async #askModels(group: Group): Promise<void> {
    for (const model of new Set(group.map(({ attempt }) => attempt.model))) await this.#ask(model);
  }

  /** @throws ResidentError if it can't be had, or died of something harmless */
  async #ask(model: string): Promise<void> {
    for (let probes = 1; ; probes++) {
      try {
        return await this.#probe(model);
      } catch (error) {
        if (!(error instanceof EngineDeadError)) throw error;
        if (probes < MOST_PROBES) continue;
        throw new ResidentError(
          'engine_failed',
          `The engine of '${model}' ended ${MOST_PROBES} times on a harmless request: ${messageOf(error)}`,
        );
      }
    }
  }
}

async function runOnce({ attempt, resolve, reject }: Suspect): Promise<'ended' | 'died'> {
  try {
    resolve(await attempt.run());
  } catch (error) {
    if (error instanceof EngineDeadError) return 'died';
    reject(error as Error);
  }
  return 'ended';
}

/** One or two groups. */
function halves(suspects: Group): Group[] {
  const middle = Math.ceil(suspects.length / 2);
  return [suspects.slice(0, middle), suspects.slice(middle)].filter((half) => half.length > 0);
}

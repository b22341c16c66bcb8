import { WHOLE_SHARE, type BackgroundShare } from '../scheduling/scheduled.js';

export interface PaceOptions {
  /** Most rows of a step. */
  readonly maxRows: number;
  /** Longest pass that somebody who comes should have to wait for, in milliseconds. */
  readonly passMs: number;
  /** In milliseconds. */
  readonly now: () => number;
}

/** So long after an interactive sequence another one is expected, in milliseconds. */
const ABOUT_MS = 10_000;
/** Before anything was measured. */
const FIRST_ROWS = 8;
/** A row more is tried where a pass takes less than this share of what it may. */
const AMPLE = 0.75;
/** One pass that was slow for another reason must not cost all rows. */
const MOST_CUT = 0.5;

/**
 * How much background work a step may hold. All it can, as long as nobody is about; but who comes waits for the pass that runs, so
 * that with people about passes are kept short: the rows are counted down to what the machine runs in the time, as measured.
 */
export class BackgroundPace {
  readonly #options: PaceOptions;
  #rows: number;
  #lastInteractive = -Infinity;

  constructor(options: PaceOptions) {
    this.#options = options;
    this.#rows = Math.min(FIRST_ROWS, options.maxRows);
  }

  /** An interactive sequence came or ended. */
  noteInteractive(): void {
    this.#lastInteractive = this.#options.now();
  }

  share(): BackgroundShare {
    const quiet = this.#options.now() - this.#lastInteractive > ABOUT_MS;
    // a token of a prompt takes no longer than a row
    return quiet ? WHOLE_SHARE : { rows: this.#rows, promptTokens: this.#rows };
  }

  /** A pass over this many decoding rows, all of them background ones, took so long. */
  observe(rows: number, ms: number): void {
    const { maxRows, passMs } = this.#options;
    if (ms > passMs) {
      const fitting = Math.floor(rows * Math.max(MOST_CUT, passMs / ms));
      this.#rows = Math.max(1, Math.min(this.#rows, fitting));
    } else if (ms < AMPLE * passMs) {
      this.#rows = Math.min(maxRows, Math.max(this.#rows, rows + 1));
    }
  }
}

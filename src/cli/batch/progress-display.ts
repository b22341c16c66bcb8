import { progressBar, progressText, type Pace } from './texts.js';

/** Between two lines where there is no terminal, in milliseconds. */
const LINE_MS = 10_000;
const CLEAR_LINE = '\r\u001B[K';

interface Terminal {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** Shows how far a batch is: a bar on a terminal, a line now and then elsewhere. */
export class ProgressDisplay {
  readonly #terminal: Terminal;
  readonly #now: () => number;
  #shownAt = -Infinity;
  #shown = '';
  #start: { readonly at: number; readonly answered: number } | undefined;

  constructor(terminal: Terminal = process.stderr, now: () => number = () => performance.now()) {
    this.#terminal = terminal;
    this.#now = now;
  }

  /** @param status e.g. `in_progress`; `pace.rate` may be left to this */
  show(status: string, pace: Pace): void {
    const now = this.#now();
    const told = { ...pace, rate: pace.rate ?? this.#rateSince(now, pace.answered) };
    if (this.#terminal.isTTY === true) {
      this.#terminal.write(`${CLEAR_LINE}${status === 'in_progress' ? progressBar(told) : status}`);
      this.#shown = status;
      return;
    }
    if (status === this.#shown && now - this.#shownAt < LINE_MS) return;
    this.#shown = status;
    this.#shownAt = now;
    this.#terminal.write(`${status}${pace.total === 0 ? '' : `: ${progressText(told)}`}\n`);
  }

  /** Makes room for other text. */
  clear(): void {
    if (this.#terminal.isTTY === true && this.#shown !== '') this.#terminal.write(CLEAR_LINE);
    this.#shown = '';
  }

  /** What this has seen itself, until a server has measured it. */
  #rateSince(now: number, answered: number): number | null {
    this.#start ??= { at: now, answered };
    const { at, answered: before } = this.#start;
    return answered > before && now > at ? ((answered - before) / (now - at)) * 1000 : null;
  }
}

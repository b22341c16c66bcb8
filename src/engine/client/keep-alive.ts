/**
 * Notices that a model was not used for long. One timer, set anew when it fires too early, so that a request costs no timer.
 */
export class KeepAlive {
  readonly #ms: number | undefined;
  readonly #isBusy: () => boolean;
  readonly #onIdle: () => void;
  #usedAt = 0;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param ms how long a model is kept without being used; undefined: always
   * @param isBusy whether something is under way, however long ago it began
   * @param onIdle it wasn't used for `ms`; told again after as long, until it is stopped
   */
  constructor(ms: number | undefined, isBusy: () => boolean, onIdle: () => void) {
    this.#ms = ms;
    this.#isBusy = isBusy;
    this.#onIdle = onIdle;
  }

  /** A request came or ended. */
  used(): void {
    this.#usedAt = performance.now();
  }

  /** The model is loaded. */
  start(): void {
    this.stop();
    this.used();
    if (this.#ms !== undefined) this.#wait(this.#ms);
  }

  /** It is no longer, or there is no need to look. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Whether it was not used for so long, and isn't now. */
  get isOver(): boolean {
    return this.#ms !== undefined && !this.#isBusy() && performance.now() - this.#usedAt >= this.#ms;
  }

  #wait(ms: number): void {
    this.#timer = setTimeout(() => this.#look(), Math.ceil(ms));
    this.#timer.unref();
  }

  #look(): void {
    this.#timer = undefined;
    if (this.#ms === undefined) return;
    const left = this.#usedAt + this.#ms - performance.now();
    this.#wait(left > 0 ? left : this.#ms);
    if (this.isOver) this.#onIdle();
  }
}

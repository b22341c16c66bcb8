import { UnavailableError } from '../errors.js';
import { EncoderThread, type EncoderThreadOptions } from './encoder-thread.js';
import type { EncodingJob } from './protocol.js';

export interface EncoderLaneOptions extends EncoderThreadOptions {
  /** The thread ends, and gives its memory back, when it had nothing to do for so long, in milliseconds. Default: never. */
  readonly idleMs?: number | undefined;
}

/** Jobs that wait for each other: one thread, started when it is needed, anew when it died. */
export class EncoderLane {
  readonly #options: EncoderLaneOptions;
  #thread: EncoderThread | undefined;
  #idleTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: EncoderLaneOptions) {
    this.#options = options;
  }

  /** Starts the thread if there is none. Resolves when it can encode. */
  async warmUp(): Promise<void> {
    await this.#startedThread().ready;
  }

  /** @throws ResidentError: what `EncoderThread.encode` rejects with */
  async encode(job: EncodingJob, signal: AbortSignal | undefined): Promise<Int32Array<ArrayBuffer>> {
    const thread = this.#startedThread();
    clearTimeout(this.#idleTimer);
    try {
      return await thread.encode(job, signal);
    } finally {
      if (thread === this.#thread && thread.idle) this.#endWhenIdle();
    }
  }

  /** Ends the thread; nothing can be encoded any more. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idleTimer);
    await this.#thread?.stop();
  }

  #startedThread(): EncoderThread {
    if (this.#closed) throw new UnavailableError('engine_restarting', 'The engine is shutting down.');
    if (!this.#thread?.alive) this.#thread = new EncoderThread(this.#options);
    return this.#thread;
  }

  #endWhenIdle(): void {
    const { idleMs } = this.#options;
    if (idleMs === undefined || this.#closed) return;
    clearTimeout(this.#idleTimer);
    this.#idleTimer = setTimeout(() => {
      void this.#thread?.stop();
      this.#thread = undefined;
    }, idleMs).unref();
  }
}

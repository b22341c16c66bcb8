import { Worker, type WorkerOptions } from 'node:worker_threads';
import { CancelledError, ResidentError, UnavailableError, fromWireError } from '../errors.js';
import type { EncodingJob, FromThread, ToThread } from './protocol.js';
import { threadEntry } from './thread-entry.js';

export interface EncoderThreadOptions {
  /** See `shareDefinition`. */
  readonly definition: SharedArrayBuffer;
  /** The program to run; default: the one beside this file. */
  readonly entry?: URL | undefined;
  /** Most memory of the thread's JavaScript heap, in MB. Default: what Node gives a thread on this machine. */
  readonly heapLimitMb?: number | undefined;
}

interface Pending<T> {
  resolve(result: T): void;
  reject(error: ResidentError): void;
}
type PendingJob = Pending<Int32Array<ArrayBuffer>>;

/**
 * The thread's stack. The tokenizers pass the tokens of a whole text as arguments of one call (`push(...tokens)`), 8 bytes
 * each, in Unigram models: with Node's 4 MB a text of half a million tokens would exceed it. Memory is taken as it is used.
 */
const STACK_MB = 64;

/**
 * One tokenizer thread, from its start to its end. It isn't restarted here; that is the lane's part. It never keeps the
 * process alive.
 */
export class EncoderThread {
  /** The thread has built its tokenizer; rejects if it ends before that. */
  readonly ready: Promise<void>;
  readonly #worker: Worker;
  readonly #pending = new Map<number, PendingJob>();
  #onReady: Pending<void> | undefined;
  #lastId = 0;
  #alive = true;

  constructor({ definition, entry = threadEntry(), heapLimitMb }: EncoderThreadOptions) {
    this.ready = new Promise((resolve, reject) => {
      this.#onReady = { resolve, reject };
    });
    // whoever doesn't wait for it learns of the failure from a job
    this.ready.catch(() => undefined);
    this.#worker = new Worker(entry, {
      name: 'tokenizer',
      workerData: definition,
      resourceLimits: {
        stackSizeMb: STACK_MB,
        ...(heapLimitMb === undefined ? {} : { maxOldGenerationSizeMb: heapLimitMb }),
      },
      ...loaderOptions(entry),
    });
    this.#worker.on('message', (message: FromThread) => this.#receive(message));
    this.#worker.once('error', (error) => this.#end(`ended (${error.message})`));
    this.#worker.once('exit', (code) => this.#end(`ended with code ${code}`));
    // after the listeners: one for messages takes a reference of its own
    this.#worker.unref();
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Nobody waits for anything. */
  get idle(): boolean {
    return this.#pending.size === 0;
  }

  /**
   * Jobs are done in the order of the calls. Aborting rejects at once; a job that was begun by then runs to its end, and
   * its result is dropped.
   */
  async encode(job: EncodingJob, signal: AbortSignal | undefined): Promise<Int32Array<ArrayBuffer>> {
    const id = ++this.#lastId;
    const onAbort = (): void => {
      this.#take(id)?.reject(new CancelledError());
      this.#send({ type: 'cancel', id });
    };
    signal?.addEventListener('abort', onAbort);
    try {
      return await new Promise((resolve, reject) => {
        this.#pending.set(id, { resolve, reject });
        this.#send({ type: 'encode', id, job });
      });
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
  }

  /** Ends the thread, also in the middle of a job. What is pending fails. */
  async stop(): Promise<void> {
    this.#fail(new UnavailableError('engine_restarting', 'The engine is shutting down.'));
    await this.#worker.terminate();
  }

  #send(message: ToThread): void {
    if (this.#alive) this.#worker.postMessage(message, []);
  }

  #receive(message: FromThread): void {
    switch (message.type) {
      case 'ready':
        return this.#onReady?.resolve();
      case 'encoded':
        return this.#take(message.id)?.resolve(message.tokens);
      case 'failed':
        return this.#take(message.id)?.reject(fromWireError(message.error));
      default:
        return message satisfies never;
    }
  }

  /** Undefined: it was cancelled. */
  #take(id: number): PendingJob | undefined {
    const job = this.#pending.get(id);
    this.#pending.delete(id);
    return job;
  }

  #end(how: string): void {
    this.#fail(new ResidentError('internal_error', `The tokenizer's thread ${how}.`));
  }

  #fail(error: ResidentError): void {
    this.#alive = false;
    this.#onReady?.reject(error);
    for (const job of this.#pending.values()) job.reject(error);
    this.#pending.clear();
  }
}

/** What makes a thread run TypeScript. A thread of Node 20 has its own module hooks, without those of the main thread. */
function loaderOptions(entry: URL): Pick<WorkerOptions, 'execArgv'> {
  // not the arguments of this process, which may be about its own program only
  if (!entry.pathname.endsWith('.ts')) return { execArgv: [] };
  return { execArgv: ['--import', new URL('./typescript-thread.mjs', import.meta.url).href] };
}

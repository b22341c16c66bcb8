import { fork, type ChildProcess } from 'node:child_process';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  EngineDeadError,
  ModelLoadError,
  UnavailableError,
  fromWireError,
  type ResidentError,
} from '../errors.js';
import type { EngineCall } from '../encoder-types.js';
import type { CallAnswer, FromEngine, LoadReport, ToEngine } from '../protocol.js';
import type { GenerationRequest, HubOptions, LoadedModelInfo, ModelSpec, Priority } from '../types.js';
import { Flight, type FlightEvent } from './flight.js';
import type { GenerationStream } from './generation-stream.js';
import { LineTail } from './line-tail.js';
import { Watchdog } from './watchdog.js';

export interface GenerateOptions {
  /** Aborting frees the work within one step. */
  readonly signal?: AbortSignal | undefined;
  readonly priority?: Priority | undefined;
  /** Whoever sent it: clients of one priority share the model evenly. Default: all are one client. */
  readonly client?: string | undefined;
  /**
   * false: no `token` events, the whole text comes with `finish`. That saves a message per token, and the wake-up of this
   * process, which on a machine with few cores takes its time from the model. Default: true.
   */
  readonly stream?: boolean | undefined;
  /**
   * false: fails with `engine_restarted` if the engine dies, instead of being begun anew by itself. For callers that find out
   * which of their requests ended it. Default: true.
   */
  readonly retry?: boolean | undefined;
}

/** What every request may say besides what is asked. */
export type CallOptions = Omit<GenerateOptions, 'stream'>;

export interface EngineProcessOptions {
  /** A line the process wrote to stdout or stderr. */
  readonly onOutput?: (line: string) => void;
  /** Requests that nothing was answered to outlive the process, for `takeRetriable()`. Default: they fail with it. */
  readonly keepRetriable?: boolean;
  /** A step may take this long, in milliseconds; a process that exceeds it hangs and is killed. Default: two minutes. */
  readonly stepLimitMs?: number | undefined;
  /** The program to run; default: the one beside this file. */
  readonly entry?: string | undefined;
}

const STEP_LIMIT_MS = 120_000;
/** How long a process may take to end by itself before it is killed, in milliseconds. */
const EXIT_GRACE_MS = 2000;

/**
 * One engine process, from its start to its end: loads one model once, then generates. It isn't restarted here; that is
 * the supervisor's part.
 */
export class EngineProcess {
  /** Settles when the process has ended, never rejects. The text says how it ended. */
  readonly exited: Promise<string>;
  readonly #child: ChildProcess;
  readonly #flights = new Map<number, Flight<FlightEvent>>();
  readonly #keepRetriable: boolean;
  readonly #retriable: Flight<FlightEvent>[] = [];
  readonly #tail = new LineTail(20);
  readonly #watchdog: Watchdog;
  #hung: string | undefined;
  readonly #startedAt = performance.now();
  #lastId = 0;
  #finished = 0;
  #alive = true;
  #onLoad: { resolve: (report: LoadReport) => void; reject: (error: Error) => void } | undefined;

  constructor(options: EngineProcessOptions = {}) {
    const { onOutput, keepRetriable = false, stepLimitMs = STEP_LIMIT_MS, entry = engineEntry() } = options;
    this.#keepRetriable = keepRetriable;
    this.#watchdog = new Watchdog(
      stepLimitMs,
      () => this.#send({ type: 'ping' }),
      () => {
        this.#hung = `was ended because a step took longer than ${stepLimitMs / 1000} s`;
        this.kill();
      },
    );
    this.#child = fork(entry, [], {
      serialization: 'advanced',
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      execArgv: entry.endsWith('.ts') ? loaderArguments() : [],
    });
    this.#child.on('message', (message) => this.#receive(message as FromEngine));
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      this.#tail.follow(stream, onOutput);
    }
    this.exited = new Promise((resolve) => {
      this.#child.once('error', (error) => resolve(this.#end(`could not be started: ${error.message}`)));
      this.#child.once('exit', (code, signal) =>
        resolve(this.#end(this.#hung ?? (signal ? `was ended by ${signal}` : `ended with code ${code}`))),
      );
    });
  }

  /** Generations and calls that came to their end. */
  get finished(): number {
    return this.#finished;
  }

  /** @throws ModelLoadError */
  async load(spec: ModelSpec, hub: HubOptions): Promise<LoadedModelInfo> {
    const report = await new Promise<LoadReport>((resolve, reject) => {
      this.#onLoad = { resolve, reject };
      if (!this.#alive) return this.#failLoad('has ended');
      this.#send({ type: 'load', spec, hub, avoid: [] });
    });
    return { ...report, loadMs: Math.round(performance.now() - this.#startedAt) };
  }

  generate(
    request: GenerationRequest,
    { signal, priority = 'interactive', client = '', stream = true, retry }: GenerateOptions,
    onSettled: () => void,
  ): GenerationStream {
    const flight = new Flight({ request, priority, client, stream }, signal, onSettled, retry);
    this.take(flight);
    return flight.stream;
  }

  /** The stream is its one answer. */
  call(
    call: EngineCall,
    { signal, priority = 'interactive', client = '', retry }: CallOptions,
    onSettled: () => void,
  ): GenerationStream<CallAnswer> {
    const flight = new Flight<CallAnswer>({ call, priority, client }, signal, onSettled, retry);
    this.take(flight);
    return flight.stream;
  }

  /** Runs a request, maybe one that another process could not. */
  take(flight: Flight<FlightEvent>): void {
    if (flight.stream.ended) return;
    if (!this.#alive)
      return flight.stream.fail(new UnavailableError('engine_restarting', 'The engine is restarting.'));
    const id = ++this.#lastId;
    this.#flights.set(id, flight);
    this.#watchdog.start();
    flight.onCancel = () => {
      this.#flights.delete(id);
      this.#send({ type: 'cancel', id });
    };
    const { plan } = flight;
    this.#send('call' in plan ? { type: 'call', id, ...plan } : { type: 'generate', id, ...plan });
  }

  /** The requests that were in flight when the process died, and that nothing was answered to: begun anew elsewhere, nobody notices. */
  takeRetriable(): Flight<FlightEvent>[] {
    return this.#retriable.splice(0);
  }

  /** Ends every generation under way with this error. */
  failAll(error: ResidentError): void {
    for (const [id, { stream }] of this.#flights) {
      stream.fail(error);
      this.#send({ type: 'cancel', id });
    }
    this.#flights.clear();
  }

  /** Ends the process: asks, then kills. What is in flight fails. */
  async stop(): Promise<void> {
    this.#send({ type: 'shutdown' });
    const timer = setTimeout(() => this.kill(), EXIT_GRACE_MS);
    await this.exited;
    clearTimeout(timer);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  #send(message: ToEngine): void {
    // a channel that broke is followed by 'exit', which fails what is in flight
    if (this.#child.connected) this.#child.send(message, () => undefined);
  }

  #receive(message: FromEngine): void {
    this.#watchdog.heard();
    this.#handle(message);
    if (this.#flights.size === 0) this.#watchdog.stop();
  }

  #handle(message: FromEngine): void {
    switch (message.type) {
      case 'loaded':
        this.#onLoad?.resolve(message.report);
        return;
      case 'load_failed':
        this.#onLoad?.reject(fromWireError(message.error));
        return;
      case 'event':
        return this.#onEvent(message.id, message.event);
      case 'result':
        return this.#onEvent(message.id, message);
      case 'failed': {
        const flight = this.#flights.get(message.id);
        this.#flights.delete(message.id);
        flight?.stream.fail(fromWireError(message.error));
        return;
      }
      case 'progress':
      case 'condition':
      case 'pong':
        return;
      default:
        message satisfies never;
    }
  }

  #onEvent(id: number, event: FlightEvent): void {
    const flight = this.#flights.get(id);
    if (event.type === 'finish' || event.type === 'result') {
      this.#finished++;
      this.#flights.delete(id);
    }
    if (!flight) return;
    flight.answered = true;
    flight.stream.push(event);
  }

  #end(how: string): string {
    this.#alive = false;
    this.#watchdog.stop();
    this.#failLoad(how);
    for (const [id, flight] of this.#flights) {
      if (!this.#keepRetriable || !flight.canBeRetried) continue;
      flight.retried = true;
      flight.onCancel = () => undefined;
      this.#flights.delete(id);
      this.#retriable.push(flight);
    }
    this.failAll(
      new EngineDeadError(`The engine process ${how} while it worked on this request. Send it again.`),
    );
    return how;
  }

  #failLoad(how: string): void {
    const said =
      this.#tail.lines.length > 0 ? ` Its last words: ${this.#tail.lines.slice(-3).join(' / ')}` : '';
    this.#onLoad?.reject(
      new ModelLoadError('engine_died', `The engine process ${how} while it loaded the model.${said}`),
    );
  }
}

/** What makes this process run TypeScript, without its debugger: a second one can't have the same port. */
function loaderArguments(): string[] {
  return process.execArgv.filter((arg) => !arg.startsWith('--inspect'));
}

/** The program beside this file, in the form this file has: compiled, or TypeScript under a loader. */
function engineEntry(): string {
  const here = import.meta.url;
  return fileURLToPath(new URL(`../process/main${extname(fileURLToPath(here))}`, here));
}

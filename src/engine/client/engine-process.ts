import { fork, type ChildProcess } from 'node:child_process';
import { EngineDeadError, UnavailableError, fromWireError, type ResidentError } from '../errors.js';
import type { EngineStats, FromEngine, LoadReport, ToEngine } from '../protocol.js';
import type { HubOptions, LoadContext, LoadedModelInfo, ModelSpec } from '../types.js';
import type { Engine } from './engine.js';
import { engineEntry } from './engine-entry.js';
import type { Flight, FlightEvent } from './flight.js';
import { FlightTable } from './flight-table.js';
import { pause } from '../pause.js';
import { LineTail } from './line-tail.js';
import { diedLoading } from './load-messages.js';
import { Watchdog } from './watchdog.js';

export interface EngineProcessOptions {
  /** A line the process wrote to stdout or stderr. */
  readonly onOutput?: (line: string) => void;
  /** Requests that nothing was answered to outlive the process, for `takeRetriable()`. Default: they fail with it. */
  readonly keepRetriable?: boolean;
  /** A step may take this long, in milliseconds; a process that exceeds it hangs and is killed. Default: two minutes. */
  readonly stepLimitMs?: number | undefined;
  /** So long a load may take without a word of how it goes, in milliseconds; downloads tell all the time. Default: ten minutes. */
  readonly loadLimitMs?: number | undefined;
  /** The program to run; default: the one beside this file. */
  readonly entry?: string | undefined;
}

const STEP_LIMIT_MS = 120_000;
const LOAD_LIMIT_MS = 600_000;
/** How long a process may take to end by itself before it is killed, in milliseconds. */
const EXIT_GRACE_MS = 2000;
/** How long what it wrote is waited for after its end, in milliseconds: a child of its own may keep the pipe open. */
const LAST_WORDS_MS = 500;

interface LoadUnderWay {
  resolve(report: LoadReport): void;
  reject(error: Error): void;
  readonly context: LoadContext;
}

/** An engine in a process of its own, started at once. */
export class EngineProcess implements Engine {
  readonly exited: Promise<string>;
  readonly #child: ChildProcess;
  readonly #flights = new FlightTable((message) => this.#send(message));
  readonly #keepRetriable: boolean;
  readonly #retriable: Flight<FlightEvent>[] = [];
  readonly #tail = new LineTail(20);
  readonly #watchdog: Watchdog;
  readonly #loadWatchdog: Watchdog;
  #hung: string | undefined;
  readonly #startedAt = performance.now();
  #alive = true;
  #load: LoadUnderWay | undefined;
  readonly #onStats: ((stats: EngineStats | undefined) => void)[] = [];

  constructor(options: EngineProcessOptions = {}) {
    const { onOutput, keepRetriable = false, entry = engineEntry() } = options;
    const { stepLimitMs = STEP_LIMIT_MS, loadLimitMs = LOAD_LIMIT_MS } = options;
    this.#keepRetriable = keepRetriable;
    this.#watchdog = new Watchdog(
      stepLimitMs,
      () => this.#send({ type: 'ping' }),
      () => this.#killHung(`was ended because a step took longer than ${stepLimitMs / 1000} s`),
    );
    this.#loadWatchdog = new Watchdog(
      loadLimitMs,
      () => undefined, // a load blocks the process: it can't be asked
      () =>
        this.#killHung(
          `was ended because it did not get on for ${loadLimitMs / 1000} s (loadLimitSeconds allows more)`,
        ),
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

  get finished(): number {
    return this.#flights.finished;
  }

  async load(spec: ModelSpec, hub: HubOptions, context: LoadContext): Promise<LoadedModelInfo> {
    const report = await new Promise<LoadReport>((resolve, reject) => {
      this.#load = { resolve, reject, context };
      if (!this.#alive) return this.#failLoad('has ended');
      this.#loadWatchdog.start();
      this.#send({ type: 'load', spec, hub, avoid: context.avoid });
    });
    return { ...report, loadMs: Math.round(performance.now() - this.#startedAt) };
  }

  take(flight: Flight<FlightEvent>): void {
    if (flight.stream.ended) return;
    if (!this.#alive) {
      if (!this.#keepForRetry(flight)) flight.stream.fail(restarting());
      return;
    }
    this.#watchdog.start();
    this.#flights.add(flight);
  }

  takeRetriable(): Flight<FlightEvent>[] {
    return this.#retriable.splice(0);
  }

  failAll(error: ResidentError): void {
    this.#flights.failAll(error);
  }

  async stop(): Promise<void> {
    this.#send({ type: 'shutdown' });
    const timer = setTimeout(() => this.kill(), EXIT_GRACE_MS);
    await this.exited;
    clearTimeout(timer);
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  stats(): Promise<EngineStats | undefined> {
    if (!this.#alive) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#onStats.push(resolve);
      this.#send({ type: 'stats' });
    });
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
        this.#loadWatchdog.stop();
        this.#load?.resolve(message.report);
        return;
      case 'load_failed':
        this.#loadWatchdog.stop();
        this.#load?.reject(fromWireError(message.error));
        return;
      case 'event':
      case 'result':
      case 'failed':
        return this.#flights.answer(message);
      case 'progress':
        this.#loadWatchdog.heard();
        return this.#load?.context.onProgress(message.progress);
      case 'condition':
        return this.#load?.context.onCondition(message.degraded);
      case 'stats':
        return this.#onStats.shift()?.(message.stats);
      case 'pong':
        return;
      default:
        message satisfies never;
    }
  }

  #killHung(how: string): void {
    this.#hung = how;
    this.kill();
  }

  #end(how: string): string {
    this.#alive = false;
    this.#watchdog.stop();
    this.#loadWatchdog.stop();
    if (this.#load) void this.#lastWords().then(() => this.#failLoad(how));
    for (const answer of this.#onStats.splice(0)) answer(undefined);
    this.#flights.takeOut((flight) => this.#keepForRetry(flight));
    this.failAll(
      new EngineDeadError(`The engine process ${how} while it worked on this request. Send it again.`),
    );
    return how;
  }

  #keepForRetry(flight: Flight<FlightEvent>): boolean {
    if (!this.#keepRetriable || !flight.canBeRetried) return false;
    flight.retried = true;
    flight.onCancel = () => undefined;
    this.#retriable.push(flight);
    return true;
  }

  /** Resolves when all that it wrote was read, which can be a little after its end. */
  async #lastWords(): Promise<void> {
    const read = new AbortController();
    this.#child.once('close', () => read.abort());
    await pause(LAST_WORDS_MS, read.signal);
  }

  #failLoad(how: string): void {
    this.#load?.reject(diedLoading(how, this.#tail.lines.slice(-3)));
  }
}

function restarting(): UnavailableError {
  return new UnavailableError('engine_restarting', 'The engine is restarting. Send the request again.');
}

/** What makes this process run TypeScript, without its debugger: a second one can't have the same port. */
function loaderArguments(): string[] {
  return process.execArgv.filter((arg) => !arg.startsWith('--inspect'));
}

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
import type { EngineStats, FromEngine, LoadReport, ToEngine } from '../protocol.js';
import type { HubOptions, LoadContext, LoadedModelInfo, ModelSpec } from '../types.js';
import type { Engine } from './engine.js';
import type { Flight, FlightEvent } from './flight.js';
import { pause } from '../pause.js';
import { LineTail } from './line-tail.js';
import { Watchdog } from './watchdog.js';

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
  #load: LoadUnderWay | undefined;
  readonly #onStats: ((stats: EngineStats | undefined) => void)[] = [];

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

  get finished(): number {
    return this.#finished;
  }

  async load(spec: ModelSpec, hub: HubOptions, context: LoadContext): Promise<LoadedModelInfo> {
    const report = await new Promise<LoadReport>((resolve, reject) => {
      this.#load = { resolve, reject, context };
      if (!this.#alive) return this.#failLoad('has ended');
      this.#send({ type: 'load', spec, hub, avoid: context.avoid });
    });
    return { ...report, loadMs: Math.round(performance.now() - this.#startedAt) };
  }

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

  takeRetriable(): Flight<FlightEvent>[] {
    return this.#retriable.splice(0);
  }

  failAll(error: ResidentError): void {
    for (const [id, { stream }] of this.#flights) {
      stream.fail(error);
      this.#send({ type: 'cancel', id });
    }
    this.#flights.clear();
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
        this.#load?.resolve(message.report);
        return;
      case 'load_failed':
        this.#load?.reject(fromWireError(message.error));
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
    if (this.#load) void this.#lastWords().then(() => this.#failLoad(how));
    for (const answer of this.#onStats.splice(0)) answer(undefined);
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

  /** Resolves when all that it wrote was read, which can be a little after its end. */
  async #lastWords(): Promise<void> {
    const read = new AbortController();
    this.#child.once('close', () => read.abort());
    await pause(LAST_WORDS_MS, read.signal);
  }

  #failLoad(how: string): void {
    const said =
      this.#tail.lines.length > 0 ? ` Its last words: ${this.#tail.lines.slice(-3).join(' / ')}` : '';
    this.#load?.reject(
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

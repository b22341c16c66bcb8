import { EngineDeadError, ModelLoadError, UnavailableError, fromWireError, messageOf } from '../errors.js';
import type { ResidentError } from '../errors.js';
import type { EngineHost, LoadModel } from '../process/engine-host.js';
import type { EngineStats, FromEngine, LoadReport, ToEngine } from '../protocol.js';
import type { HubOptions, LoadContext, LoadedModelInfo, ModelSpec } from '../types.js';
import type { Engine } from './engine.js';
import type { Flight, FlightEvent } from './flight.js';
import { FlightTable } from './flight-table.js';
import type { Turns } from './turns.js';

export interface InProcessEngineOptions {
  /** Shared by the engines of a process, which load one after the other: Transformers.js has one configuration for all of it. */
  readonly turns: Turns;
  /** Default: ours, imported with the first load. */
  readonly loadModel?: LoadModel | undefined;
}

/** A load under way, and what is told of it. */
interface Loading {
  readonly context: LoadContext;
  resolve(report: LoadReport): void;
  reject(error: Error): void;
}

/**
 * An engine without a process of its own, for where there can be none, or nothing is won by one: a function that answers one request
 * at a time. A pass of the model blocks everything else in the process meanwhile, a native crash ends all of it, and a pass that
 * hangs can't be ended. Otherwise it is what `EngineProcess` is: the same host behind the same messages, and the same errors.
 */
export class InProcessEngine implements Engine {
  readonly exited: Promise<string>;
  readonly #turns: Turns;
  readonly #loadModel: LoadModel;
  readonly #flights = new FlightTable((message) => this.#send(message));
  readonly #statsAsked: ((stats: EngineStats | undefined) => void)[] = [];
  #host: EngineHost | undefined;
  #loading: Loading | undefined;
  #stopping: Promise<void> | undefined;
  #exit: (how: string) => void = () => undefined;

  constructor({ turns, loadModel = loadOurs }: InProcessEngineOptions) {
    this.#turns = turns;
    this.#loadModel = loadModel;
    this.exited = new Promise((resolve) => (this.#exit = resolve));
  }

  get finished(): number {
    return this.#flights.finished;
  }

  /** @throws ModelLoadError */
  async load(spec: ModelSpec, hub: HubOptions, context: LoadContext): Promise<LoadedModelInfo> {
    const startedAt = performance.now();
    const report = await this.#turns.take(() => this.#load(spec, hub, context));
    return { ...report, loadMs: Math.round(performance.now() - startedAt) };
  }

  take(flight: Flight<FlightEvent>): void {
    if (flight.stream.ended) return;
    if (this.#stopping || !this.#host)
      return flight.stream.fail(new UnavailableError('engine_restarting', 'The engine is restarting.'));
    this.#flights.add(flight);
  }

  /** None: it ends only when it is told to. */
  takeRetriable(): Flight<FlightEvent>[] {
    return [];
  }

  failAll(error: ResidentError): void {
    this.#flights.failAll(error);
  }

  /** Of the whole process. */
  stats(): Promise<EngineStats | undefined> {
    if (this.#stopping || !this.#host) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#statsAsked.push(resolve);
      this.#send({ type: 'stats' });
    });
  }

  /** Ends what is in flight, and gives back what can be given back of a model: its sessions and threads. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** As `stop`: there is nothing to kill that isn't this process. */
  kill(): void {
    void this.stop();
  }

  async #load(spec: ModelSpec, hub: HubOptions, context: LoadContext): Promise<LoadReport> {
    // with what it imports: a server whose engines are processes doesn't need it
    const { EngineHost: Host } = await import('../process/engine-host.js');
    if (this.#stopping) throw stoppedWhileLoading();
    const host = new Host(
      this.#loadModel,
      (message) => this.#receive(message),
      () => this.kill(),
    );
    this.#host = host;
    return new Promise<LoadReport>((resolve, reject) => {
      this.#loading = { context, resolve, reject };
      this.#send({ type: 'load', spec, hub, avoid: context.avoid });
    });
  }

  async #stop(): Promise<void> {
    this.#loading?.reject(stoppedWhileLoading());
    this.failAll(
      new EngineDeadError('The engine was stopped while it worked on this request. Send it again.'),
    );
    for (const resolve of this.#statsAsked.splice(0)) resolve(undefined);
    await this.#host?.close().catch(() => undefined); // it is given up, however that goes
    this.#exit('was stopped');
  }

  /** Neither side changes what it sent or was sent: it crosses as it is, not as a copy. */
  #send(message: ToEngine): void {
    this.#host?.receive(message).catch((error: unknown) => {
      // the host answers whatever goes wrong: this is a defect of its own, and nobody is left waiting for it
      this.failAll(new EngineDeadError(`The engine failed: ${messageOf(error)}.`));
    });
  }

  #receive(message: FromEngine): void {
    switch (message.type) {
      case 'loaded':
        return this.#loading?.resolve(message.report);
      case 'load_failed':
        return this.#loading?.reject(fromWireError(message.error));
      case 'progress':
        return this.#loading?.context.onProgress(message.progress);
      case 'condition':
        return this.#loading?.context.onCondition(message.degraded);
      case 'event':
      case 'result':
      case 'failed':
        return this.#flights.answer(message);
      case 'stats':
        for (const resolve of this.#statsAsked.splice(0)) resolve(message.stats);
        return;
      case 'pong':
        return;
      default:
        message satisfies never;
    }
  }
}

function stoppedWhileLoading(): ModelLoadError {
  return new ModelLoadError('engine_died', 'The engine was stopped while it loaded the model.');
}

/** Transformers.js and ONNX Runtime take a while to import: not before there is something to load. Somebody waits for the answer. */
const loadOurs: LoadModel = async (spec, hub, context) => {
  const before = process.cpuUsage();
  const { loadModel } = await import('../loading/load-model.js');
  const loaded = await loadModel(spec, hub, { ...context, onDemand: true });
  const { user, system } = process.cpuUsage(before);
  return { ...loaded, report: { ...loaded.report, loadCpuMs: Math.round((user + system) / 1000) } };
};

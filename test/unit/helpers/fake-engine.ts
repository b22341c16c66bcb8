import { vi } from 'vitest';
import type { Engine } from '../../../src/engine/client/engine.js';
import { EngineSupervisor, type SupervisorOptions } from '../../../src/engine/client/engine-supervisor.js';
import { collect, type Generation } from '../../../src/engine/collect.js';
import type { Flight, FlightEvent } from '../../../src/engine/client/flight.js';
import {
  EngineDeadError,
  ModelLoadError,
  UnavailableError,
  type LoadErrorCode,
  type ResidentError,
} from '../../../src/engine/errors.js';
import type { EngineStats } from '../../../src/engine/protocol.js';
import type {
  ConcreteDevice,
  GenerationEvent,
  GenerationRequest,
  HubOptions,
  LoadContext,
  LoadedModelInfo,
  ModelSpec,
} from '../../../src/engine/types.js';

export const SPEC: ModelSpec = {
  name: 'm',
  source: './m',
  task: 'text-generation',
  device: 'auto',
  dtype: 'auto',
  maxQueue: 3,
};
export const REQUEST: GenerationRequest = { prompt: { kind: 'text', text: 'a' } };
export const HUB: HubOptions = { endpoint: 'http://localhost', cacheDir: '/tmp' };

export const FINISH: GenerationEvent = {
  type: 'finish',
  finishReason: 'stop',
  text: 'b',
  usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 1 },
};

/** `Promise.withResolvers` comes with Node 22. */
function withResolvers<T>() {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: Error) => void = () => undefined;
  const promise = new Promise<T>((yes, no) => {
    resolve = yes;
    reject = no;
  });
  return { promise, resolve, reject };
}

/** An engine whose load, answers and end the test decides. */
export class FakeEngine implements Engine {
  finished = 0;
  killed = false;
  ended = false;
  context: LoadContext | undefined;
  readonly loading = withResolvers<LoadedModelInfo>();
  readonly #end = withResolvers<string>();
  readonly exited = this.#end.promise;
  /** Requests in flight, in the order in which they came. */
  readonly flights: Flight<FlightEvent>[] = [];
  readonly #retriable: Flight<FlightEvent>[] = [];
  readonly load = vi.fn<Engine['load']>((_spec, _hub, context) => {
    this.context = context;
    return this.loading.promise;
  });
  readonly stats = vi.fn<Engine['stats']>(() => Promise.resolve<EngineStats | undefined>({ rss: 1000 }));

  loaded(
    instanceId = 'x',
    device: ConcreteDevice = 'cpu',
    kvCacheTokens = 64,
    more: Partial<LoadedModelInfo> = {},
  ): void {
    this.loading.resolve({
      instanceId,
      loadedAt: '',
      loadMs: 100,
      device,
      dtype: 'q8',
      contextLength: 8,
      kvCache: 'inplace',
      kvCacheTokens,
      batchInvariant: true,
      pid: 1,
      ...more,
    });
  }

  failLoad(code: LoadErrorCode, message = 'no such folder'): void {
    this.loading.reject(new ModelLoadError(code, message));
  }

  /** As `EngineProcess` has it: what dies while it loads fails the load. */
  dieLoading(device: ConcreteDevice): void {
    this.context?.onProgress({ phase: 'loading', device, dtype: 'fp16' });
    this.failLoad('engine_died', 'The engine process was ended by SIGSEGV while it loaded the model.');
    this.die('was ended by SIGSEGV');
  }

  /** As `EngineProcess` has it: one that is dead, and nobody has heard of it, keeps what may be begun anew. */
  take(flight: Flight<FlightEvent>): void {
    if (this.ended) {
      if (flight.canBeRetried) this.#keepForRetry(flight);
      else flight.stream.fail(new UnavailableError('engine_restarting', 'is restarting'));
      return;
    }
    this.flights.push(flight);
    flight.onCancel = () => this.#remove(flight);
  }

  /** Finishes the request at this place. */
  finish(at = 0): void {
    const flight = this.flights[at];
    if (!flight) throw new Error(`nothing is in flight at ${at}`);
    this.#remove(flight);
    this.finished++;
    flight.stream.push(FINISH);
  }

  takeRetriable(): Flight<FlightEvent>[] {
    return this.#retriable.splice(0);
  }

  failAll(error: ResidentError): void {
    for (const { stream } of this.flights.splice(0)) stream.fail(error);
  }

  /** Requests that were answered nothing survive it, the others fail. */
  die(how = 'was ended by SIGKILL'): void {
    if (this.ended) return;
    this.ended = true;
    for (const flight of this.flights.filter(({ canBeRetried }) => canBeRetried)) this.#keepForRetry(flight);
    this.failAll(new EngineDeadError(how));
    this.#end.resolve(how);
  }

  async stop(): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    this.failAll(new EngineDeadError('was stopped'));
    this.#end.resolve('ended with code 0');
  }

  kill(): void {
    this.killed = true;
    this.failLoad('engine_died', 'killed');
    this.die();
  }

  #keepForRetry(flight: Flight<FlightEvent>): void {
    flight.retried = true;
    flight.onCancel = () => undefined;
    this.#remove(flight);
    this.#retriable.push(flight);
  }

  #remove(flight: Flight<FlightEvent>): void {
    const at = this.flights.indexOf(flight);
    if (at >= 0) this.flights.splice(at, 1);
  }
}

export interface Supervised {
  readonly supervisor: EngineSupervisor;
  readonly engines: FakeEngine[];
  readonly log: string[];
  readonly engine: (i: number) => FakeEngine;
}

/** A supervisor whose engines are fakes. */
export function supervise(options: Partial<SupervisorOptions> = {}): Supervised {
  const engines: FakeEngine[] = [];
  const log: string[] = [];
  const say = (line: string) => void log.push(line);
  const supervisor = new EngineSupervisor({
    spec: SPEC,
    hub: HUB,
    log: { info: say, warn: say, debug: () => undefined },
    createProcess: () => {
      const made = new FakeEngine();
      engines.push(made);
      return made;
    },
    ...options,
  });
  return {
    supervisor,
    engines,
    log,
    engine: (i) => {
      const found = engines[i];
      if (!found) throw new Error(`there is no engine ${i}`);
      return found;
    },
  };
}

export interface Asking {
  readonly signal?: AbortSignal;
  readonly priority?: 'background';
}

/** Sends a request. Its rejection is looked at later. */
export function ask(
  supervisor: EngineSupervisor,
  options: Asking = {},
  request = REQUEST,
): Promise<Generation> {
  const answer = collect(supervisor.generate(request, options));
  answer.catch(() => undefined);
  return answer;
}

export function finishAll(engine: FakeEngine): void {
  while (engine.flights.length > 0) engine.finish();
}

/** Lets everything that is due happen; for tests with fake timers. */
export const settle = () => vi.advanceTimersByTimeAsync(0);

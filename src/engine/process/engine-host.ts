import { UnavailableError, toWireError } from '../errors.js';
import type { SequenceSink } from '../generation/step-loop.js';
import type { LoadedModel } from '../loading/load-model.js';
import type { FromEngine, ToEngine } from '../protocol.js';
import type { GenerationEvent, HubOptions, LoadContext, ModelSpec, TokenLogprobs } from '../types.js';
import { StatsReader } from './stats-reader.js';

export type LoadModel = (spec: ModelSpec, hub: HubOptions, context: LoadContext) => Promise<LoadedModel>;

/** The engine process's side of the protocol: takes messages, answers through `send`. */
export class EngineHost {
  readonly #loadModel: LoadModel;
  readonly #send: (message: FromEngine) => void;
  readonly #exit: () => void;
  #model: LoadedModel | undefined;
  #closed = false;
  /** Calls that weren't answered yet. */
  readonly #calls = new Map<number, AbortController>();
  readonly #stats = new StatsReader();

  constructor(loadModel: LoadModel, send: (message: FromEngine) => void, exit: () => void) {
    this.#loadModel = loadModel;
    this.#send = send;
    this.#exit = exit;
  }

  async receive(message: ToEngine): Promise<void> {
    switch (message.type) {
      case 'load':
        return this.#load(message);
      case 'generate':
        return this.#generate(message);
      case 'call':
        return this.#call(message);
      case 'cancel':
        return this.#cancel(message.id);
      case 'ping':
        return this.#send({ type: 'pong' });
      case 'stats':
        return this.#send({ type: 'stats', stats: this.#stats.read() });
      case 'shutdown':
        return this.#exit();
      default:
        return message satisfies never;
    }
  }

  /** Gives the model back, now or, while it is loading, as soon as it is there. For a host that outlives its model. */
  async close(): Promise<void> {
    this.#closed = true;
    const model = this.#model;
    this.#model = undefined;
    await model?.dispose();
  }

  async #load({ spec, hub, avoid }: Extract<ToEngine, { type: 'load' }>): Promise<void> {
    try {
      const loaded = await this.#loadModel(spec, hub, {
        avoid,
        onProgress: (progress) => this.#send({ type: 'progress', progress }),
        onCondition: (degraded) => this.#send({ type: 'condition', degraded }),
      });
      if (this.#closed) return await loaded.dispose();
      this.#model = loaded;
      this.#send({ type: 'loaded', report: loaded.report });
    } catch (error) {
      this.#send({ type: 'load_failed', error: toWireError(error) });
    }
  }

  #generate({ stream, ...submission }: Extract<ToEngine, { type: 'generate' }>): void {
    const { id } = submission;
    if (!this.#model) return this.#refuse(id);
    const sink: SequenceSink = {
      event: (event) => this.#send({ type: 'event', id, event }),
      failed: (error) => this.#send({ type: 'failed', id, error: toWireError(error) }),
    };
    this.#model.generator.submit(submission, stream ? sink : inOnePiece(sink));
  }

  async #call({ id, call, priority, client }: Extract<ToEngine, { type: 'call' }>): Promise<void> {
    if (!this.#model) return this.#refuse(id);
    const aborter = new AbortController();
    this.#calls.set(id, aborter);
    try {
      const result = await this.#model.calls.answer(call, { id, priority, client, signal: aborter.signal });
      if (this.#calls.delete(id)) this.#send({ type: 'result', id, result });
    } catch (error) {
      // nobody waits for what was cancelled
      if (this.#calls.delete(id)) this.#send({ type: 'failed', id, error: toWireError(error) });
    }
  }

  #cancel(id: number): void {
    const call = this.#calls.get(id);
    if (!call) return this.#model?.generator.cancel(id);
    this.#calls.delete(id);
    call.abort();
  }

  #refuse(id: number): void {
    const error = new UnavailableError('model_loading', 'No model is loaded in this engine.');
    this.#send({ type: 'failed', id, error: toWireError(error) });
  }
}

/** Keeps everything until `finish`: as long as nothing was answered, a request can be begun anew in another process. */
function inOnePiece(sink: SequenceSink): SequenceSink {
  let text = '';
  let start: GenerationEvent | undefined;
  const logprobs: TokenLogprobs[] = [];
  return {
    event(event) {
      if (event.type === 'start') {
        start = event;
      } else if (event.type === 'token') {
        text += event.text;
        if (event.logprobs) logprobs.push(event.logprobs);
      } else {
        if (start) sink.event(start);
        sink.event({ ...event, text: text + event.text, ...(logprobs.length > 0 ? { logprobs } : {}) });
      }
    },
    failed: (error) => sink.failed(error),
  };
}

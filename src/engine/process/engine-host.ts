import { UnavailableError, toWireError } from '../errors.js';
import type { SequenceSink } from '../generation/step-loop.js';
import type { LoadedModel } from '../loading/load-model.js';
import type { FromEngine, LoadReport, ToEngine } from '../protocol.js';
import type { GenerationEvent, HubOptions, ModelSpec, TokenLogprobs } from '../types.js';

export type LoadModel = (
  spec: ModelSpec,
  hub: HubOptions,
) => Promise<Pick<LoadedModel, 'generator'> & { report: LoadReport }>;

/** The engine process's side of the protocol: takes messages, answers through `send`. */
export class EngineHost {
  readonly #loadModel: LoadModel;
  readonly #send: (message: FromEngine) => void;
  readonly #exit: () => void;
  #model: Pick<LoadedModel, 'generator'> | undefined;

  constructor(loadModel: LoadModel, send: (message: FromEngine) => void, exit: () => void) {
    this.#loadModel = loadModel;
    this.#send = send;
    this.#exit = exit;
  }

  async receive(message: ToEngine): Promise<void> {
    switch (message.type) {
      case 'load':
        return this.#load(message.spec, message.hub);
      case 'generate':
        return this.#generate(message);
      case 'cancel':
        return this.#model?.generator.cancel(message.id);
      case 'ping':
        return this.#send({ type: 'pong' });
      case 'shutdown':
        return this.#exit();
      default:
        return message satisfies never;
    }
  }

  async #load(spec: ModelSpec, hub: HubOptions): Promise<void> {
    try {
      const loaded = await this.#loadModel(spec, hub);
      this.#model = loaded;
      this.#send({ type: 'loaded', report: loaded.report });
    } catch (error) {
      this.#send({ type: 'load_failed', error: toWireError(error) });
    }
  }

  #generate({ stream, ...submission }: Extract<ToEngine, { type: 'generate' }>): void {
    const { id } = submission;
    if (!this.#model) {
      this.#send({
        type: 'failed',
        id,
        error: toWireError(new UnavailableError('model_loading', 'No model is loaded in this engine.')),
      });
      return;
    }
    const sink: SequenceSink = {
      event: (event) => this.#send({ type: 'event', id, event }),
      failed: (error) => this.#send({ type: 'failed', id, error: toWireError(error) }),
    };
    this.#model.generator.submit(submission, stream ? sink : inOnePiece(sink));
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

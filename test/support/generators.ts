import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { loadModel, type LoadedModel } from '../../src/engine/loading/load-model.js';
import type { LoadReport } from '../../src/engine/protocol.js';
import type { LoadContext } from '../../src/engine/types.js';
import type { GenerationRequest, ModelSpec, Priority, TokenLogprobs, Usage } from '../../src/index.js';

/** A request as it comes to a generator, and when. */
export interface Arrival {
  readonly request: GenerationRequest;
  readonly priority?: Priority | undefined;
  readonly client?: string;
  /** Turns of the event loop before it comes; a pass of the model is one. */
  readonly delay?: number;
  /** It is cancelled so many turns after it came. */
  readonly cancelAfter?: number | undefined;
}

export interface Outcome {
  readonly tokens: readonly TokenLogprobs[];
  /** Undefined: it was cancelled. */
  readonly usage: Usage | undefined;
}

/** A model in this process, with nothing between it and the test. */
export class TestGenerator {
  readonly report: LoadReport;
  readonly #generator: LoadedModel['generator'];
  #lastId = 0;

  private constructor({ generator, report }: LoadedModel) {
    this.#generator = generator;
    this.report = report;
  }

  /** @param context who is told how it goes; default: nobody */
  static async load(
    spec: Pick<ModelSpec, 'source'> & Partial<ModelSpec>,
    context?: LoadContext,
  ): Promise<TestGenerator> {
    const cacheDir = mkdtempSync(join(tmpdir(), 'resident-graphs-'));
    try {
      const defaults = { name: 'model', task: 'text-generation', device: 'cpu', dtype: 'auto' } as const;
      return new TestGenerator(
        await loadModel({ ...defaults, ...spec }, { endpoint: 'http://localhost', cacheDir }, context),
      );
    } finally {
      rmSync(cacheDir, { recursive: true, force: true });
    }
  }

  /** Every token with its log-probability; fails as the request does. */
  async run({ request, priority = 'interactive', client = '', ...when }: Arrival): Promise<Outcome> {
    for (let i = 0; i < (when.delay ?? 0); i++) await turn();
    const id = ++this.#lastId;
    const tokens: TokenLogprobs[] = [];
    let ended = false;
    const finished = new Promise<Outcome>((resolve, reject) => {
      const submission = { id, request: { logprobs: 5, ...request }, priority, client };
      this.#generator.submit(submission, {
        event(event) {
          if (ended) return reject(new Error(`a '${event.type}' came after the end`));
          if (event.type === 'token') tokens.push(event.logprobs as TokenLogprobs);
          if (event.type !== 'finish') return;
          ended = true;
          resolve({ tokens, usage: event.usage });
        },
        failed: reject,
      });
    });
    finished.catch(() => undefined); // awaited below, but not where it is cancelled
    if (when.cancelAfter === undefined) return finished;
    for (let i = 0; i < when.cancelAfter; i++) await turn();
    if (ended) return finished;
    ended = true;
    this.#generator.cancel(id);
    return { tokens, usage: undefined };
  }

  /** All at once, each when its time has come. */
  runAll(arrivals: readonly Arrival[]): Promise<Outcome[]> {
    return Promise.all(arrivals.map((arrival) => this.run(arrival)));
  }

  /** One after the other, none cancelled. Of the same priority: it decides where a prompt is cut, which rounds otherwise. */
  async runEachAlone(arrivals: readonly Arrival[]): Promise<Outcome[]> {
    const outcomes: Outcome[] = [];
    for (const { request, priority } of arrivals) outcomes.push(await this.run({ request, priority }));
    return outcomes;
  }
}

import { EngineDeadError, ResidentError } from '../../../../src/engine/errors.js';
import { pause } from '../../../../src/engine/pause.js';
import type { GenerationEvent } from '../../../../src/engine/types.js';
import type { CallOptions, ModelProvider, ModelRequest } from '../../../../src/model/model.provider.js';

export const INSTANCE = '00000000-0000-4000-8000-000000000001';

/** What becomes of a request, by its prompt. */
export type Fate =
  | { readonly kind: 'answers'; readonly afterMs?: number }
  /** The engine ends, and with it whatever is in flight. */
  | { readonly kind: 'kills' }
  | { readonly kind: 'fails'; readonly error: ResidentError };

/** The part of a provider that batches need, over an engine that can be killed. */
export class ScriptedModels {
  /** Prompts in the order in which they were begun. */
  readonly begun: string[] = [];
  deaths = 0;
  /** Most deaths in a row without anything that came to its end in between. */
  worstStreak = 0;
  /** Most requests in flight at a time. */
  mostInFlight = 0;
  fate: (prompt: string) => Fate = () => ({ kind: 'answers' });
  #streak = 0;
  readonly #inFlight = new Set<(error: Error) => void>();

  asProvider(): ModelProvider {
    return this as unknown as ModelProvider;
  }

  async whenLoaded(): Promise<void> {
    await turn();
  }

  describe() {
    return { name: 'fake', task: 'text-generation', instanceId: INSTANCE } as const;
  }

  describeAll() {
    return [this.describe()];
  }

  async complete(request: ModelRequest, options: CallOptions = {}): Promise<void> {
    for await (const _ of this.generate(request, options));
  }

  async *generate(request: ModelRequest, { signal }: CallOptions = {}): AsyncGenerator<GenerationEvent> {
    const { prompt } = request;
    const text = prompt.kind === 'text' ? prompt.text : '';
    await this.#run(text, signal);
    yield { type: 'start', instanceId: INSTANCE, promptTokens: 1 };
    yield {
      type: 'finish',
      finishReason: 'stop',
      text: answerTo(text),
      usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 1 },
    };
  }

  #run(prompt: string, signal: AbortSignal | undefined): Promise<void> {
    const fate = this.fate(prompt);
    this.begun.push(prompt);
    return new Promise((resolve, reject) => {
      const settle = (end: () => void): void => {
        if (!this.#inFlight.delete(fail)) return;
        signal?.removeEventListener('abort', onAbort);
        end();
      };
      const fail = (error: Error): void => settle(() => reject(error));
      const onAbort = (): void => fail(new ResidentError('cancelled', 'cancelled'));
      this.#inFlight.add(fail);
      this.mostInFlight = Math.max(this.mostInFlight, this.#inFlight.size);
      signal?.addEventListener('abort', onAbort, { once: true });
      if (signal?.aborted) onAbort();
      void this.#end(fate, fail, () => settle(resolve));
    });
  }

  async #end(fate: Fate, fail: (error: Error) => void, answer: () => void): Promise<void> {
    await turn();
    switch (fate.kind) {
      case 'answers':
        if (fate.afterMs) await pause(fate.afterMs, new AbortController().signal);
        this.#streak = 0;
        return answer();
      case 'fails':
        return fail(fate.error);
      case 'kills':
        if (this.#inFlight.has(fail)) this.die();
        return;
      default:
        fate satisfies never;
    }
  }

  /** The engine ends. */
  die(): void {
    this.deaths++;
    this.worstStreak = Math.max(this.worstStreak, ++this.#streak);
    for (const fail of this.#inFlight) fail(new EngineDeadError('the engine ended'));
  }
}

export function answerTo(prompt: string): string {
  return `answer to ${prompt}`;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

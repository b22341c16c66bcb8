import { EngineSupervisor } from '../../src/engine/client/engine-supervisor.js';
import { collect, type Generation } from '../../src/engine/collect.js';
import type { GenerationRequest, LoadedModelInfo, ModelSpec } from '../../src/engine/types.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

/** A model in an engine process of its own, asked as the server asks it. */
export class Generator {
  readonly info: LoadedModelInfo;
  readonly #engine: EngineSupervisor;

  private constructor(engine: EngineSupervisor, info: LoadedModelInfo) {
    this.#engine = engine;
    this.info = info;
  }

  /** @throws ModelLoadError */
  static async load(source: string, spec: Partial<ModelSpec>): Promise<Generator> {
    const engine = new EngineSupervisor({
      spec: { name: 'model', source, task: 'text-generation', device: 'webgpu', dtype: 'auto', ...spec },
      hub: { endpoint: 'http://localhost', cacheDir: createTemporaryFolder(), offline: true },
      log: {
        info: () => undefined,
        warn: (line) => process.stderr.write(`${line}\n`),
        debug: () => undefined,
      },
    });
    try {
      return new Generator(engine, await engine.load());
    } catch (error) {
      await engine.stop();
      throw error;
    }
  }

  /** Times that the engine was started again. */
  get deaths(): number {
    return this.#engine.loads - 1;
  }

  /** Resolves when it takes requests, also after its engine died. */
  async whenReady(): Promise<void> {
    await this.#engine.load();
  }

  /** Greedy. */
  run(request: Pick<GenerationRequest, 'prompt' | 'maxTokens' | 'ignoreEos'>): Promise<Generation> {
    return collect(this.#engine.generate({ ...request, temperature: 0 }, { stream: false }));
  }

  /** The tokens of a greedy text. */
  async tokens(prompt: string, maxTokens: number): Promise<number[]> {
    const tokens: number[] = [];
    const request = { prompt: { kind: 'text', text: prompt }, temperature: 0, maxTokens } as const;
    for await (const event of this.#engine.generate(request))
      if (event.type === 'token') tokens.push(event.token);
    return tokens;
  }

  stop(): Promise<void> {
    return this.#engine.stop();
  }
}

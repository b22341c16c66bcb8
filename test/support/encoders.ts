import { mkdtempSync, rmSync, writeFileSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { writeBertFolder } from '../../bench/encoders/bert-files.js';
import type { BertShape } from '../../bench/encoders/bert-graph.js';
import { ModelProvider, type HubOptions, type ModelSpec } from '../../src/index.js';

/** Small enough to be written and loaded in no time. */
export const TINY: BertShape = {
  hidden: 32,
  layers: 2,
  heads: 4,
  intermediate: 64,
  vocab: 400,
  context: 64,
};

/** Model folders that live as long as a test file. */
export class EncoderFolders {
  readonly root = mkdtempSync(join(tmpdir(), 'resident-encoders-'));

  /** @param files further files of the folder, by path: JSON */
  async embedding(
    name: string,
    files: Readonly<Record<string, unknown>> = {},
    shape = TINY,
  ): Promise<string> {
    return this.#write(name, shape, {}, files);
  }

  async classifier(
    name: string,
    labels: number,
    config: Readonly<Record<string, unknown>> = {},
    files: Readonly<Record<string, unknown>> = {},
  ): Promise<string> {
    const id2label = Object.fromEntries(Array.from({ length: labels }, (_, i) => [i, `label ${i}`]));
    return this.#write(name, { ...TINY, labels }, { id2label, ...config }, files);
  }

  dispose(): void {
    rmSync(this.root, { recursive: true, force: true });
  }

  async #write(
    name: string,
    shape: BertShape,
    config: Readonly<Record<string, unknown>>,
    files: Readonly<Record<string, unknown>>,
  ): Promise<string> {
    const folder = join(this.root, name);
    await writeBertFolder(folder, shape, 'fp32', config);
    for (const [path, value] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), JSON.stringify(value));
    }
    return folder;
  }
}

/** The provider over real engine processes, loaded, without Nest around it. */
export async function provide(
  models: readonly (Pick<ModelSpec, 'name' | 'source' | 'task'> & Partial<ModelSpec>)[],
  hub: HubOptions = { endpoint: 'http://127.0.0.1:9', cacheDir: join(tmpdir(), 'resident-no-cache') },
): Promise<ModelProvider> {
  const provider = new ModelProvider({
    models: models.map((spec) => ({ device: 'cpu', dtype: 'auto', load: 'await', ...spec })),
    hub,
    drainSeconds: 5,
  });
  await provider.onModuleInit();
  return provider;
}

/** Ends its engines. */
export async function dispose(provider: ModelProvider | undefined): Promise<void> {
  await provider?.drain();
  await provider?.onApplicationShutdown();
}

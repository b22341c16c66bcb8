import { ModelLoadError, messageOf } from '../../src/engine/errors.js';
import { Generator } from './generator.js';
import { PROMPTS } from './agreement.js';

export interface MemoryFinding {
  readonly what: string;
  readonly happened: string;
}

/** What becomes of a model, and of those beside it, when the GPU's memory doesn't do. */
export async function runOutOfMemory(folder: string): Promise<MemoryFinding[]> {
  const neighbour = await Generator.load(folder, { dtype: 'fp16' });
  try {
    const [prompt] = PROMPTS;
    const before = await neighbour.tokens(prompt, 20);
    const findings: MemoryFinding[] = [
      { what: 'a KV cache of 1,000 GB', happened: await tryCache(folder, 1000 * 2 ** 30) },
      { what: 'a KV cache of 90 GB', happened: await tryCache(folder, 90 * 2 ** 30) },
    ];
    const after = await neighbour.tokens(prompt, 20);
    const same = before.length === after.length && before.every((token, i) => token === after[i]);
    findings.push({
      what: 'another model on that GPU',
      happened: same ? 'answers as before' : 'ANSWERS OTHERWISE',
    });
    return findings;
  } finally {
    await neighbour.stop();
  }
}

async function tryCache(folder: string, kvCacheMemory: number): Promise<string> {
  try {
    const model = await Generator.load(folder, { dtype: 'fp16', kvCacheMemory });
    const { length } = await model.tokens(PROMPTS[0], 20);
    await model.stop();
    return `loaded with a cache of ${model.info.kvCacheTokens} tokens, made ${length} tokens`;
  } catch (error) {
    return error instanceof ModelLoadError ? `${error.code}: ${error.message}` : messageOf(error);
  }
}

import { setTimeout } from 'node:timers/promises';
import { ResidentError, messageOf } from '../../src/engine/errors.js';
import { PROMPTS } from './agreement.js';
import { Generator } from './generator.js';
import { besideHog } from './hog.js';

export interface MemoryFinding {
  readonly what: string;
  readonly happened: string;
}

const GB = 2 ** 30;
const REQUESTS = 64;
const PROMPT_TOKENS = 700;
const NEW_TOKENS = 20;
const HOG_MS = 3000;

/** What becomes of a model, and of those beside it, when the GPU's memory doesn't do. */
export async function runOutOfMemory(folder: string): Promise<MemoryFinding[]> {
  const model = await Generator.load(folder, { dtype: 'fp16', prefixCache: false });
  try {
    const before = await model.tokens(PROMPTS[0], NEW_TOKENS);
    const findings: MemoryFinding[] = [
      { what: 'a second model with a KV cache of 1,000 GB', happened: await tryCache(folder, 1000 * GB) },
      {
        what: 'a second model with a KV cache of 90 GB',
        happened: await tryCache(folder, 90 * GB),
      },
    ];
    const beside = await besideHog((held) => {
      // they outlast it
      const ends = manyRequests(model);
      return setTimeout(HOG_MS).then(() => ({ held, ends }));
    });
    if (beside) {
      const happened = `${await beside.ends}; ${model.deaths} restarts of the engine`;
      const what = `another program takes all that is free (${(beside.held / GB).toFixed(1)} GB) for ${HOG_MS / 1000} s, and ${REQUESTS} requests of ${PROMPT_TOKENS} tokens come`;
      findings.push({ what, happened });
    }
    // a driver takes its time to give back what a killed program held
    await setTimeout(HOG_MS);
    await model.whenReady();
    findings.push({ what: `the same ${REQUESTS} requests without it`, happened: await manyRequests(model) });
    const after = await model.tokens(PROMPTS[0], NEW_TOKENS);
    const same = before.length === after.length && before.every((token, i) => token === after[i]);
    findings.push({
      what: 'the model after all that',
      happened: same ? 'answers as before' : 'answers OTHERWISE',
    });
    return findings;
  } finally {
    await model.stop();
  }
}

async function tryCache(folder: string, kvCacheMemory: number): Promise<string> {
  try {
    const model = await Generator.load(folder, { dtype: 'fp16', kvCacheMemory });
    const { length } = await model.tokens(PROMPTS[0], NEW_TOKENS);
    await model.stop();
    return `loaded with a cache of ${model.info.kvCacheTokens} tokens, made ${length} tokens`;
  } catch (error) {
    return describe(error);
  }
}

/** @returns how they ended */
async function manyRequests(model: Generator): Promise<string> {
  const ends = await Promise.all(
    Array.from({ length: REQUESTS }, async (_, i) => {
      const tokens = Array.from({ length: PROMPT_TOKENS }, (__, j) => 5 + ((i * 31 + j * 7) % 400));
      const request = { prompt: { kind: 'tokens', tokens }, maxTokens: NEW_TOKENS, ignoreEos: true } as const;
      return model.run(request).then(
        () => 'answered',
        (error: unknown) => describe(error),
      );
    }),
  );
  const counts = new Map<string, number>();
  for (const end of ends) counts.set(end, (counts.get(end) ?? 0) + 1);
  return [...counts].map(([end, count]) => `${count} ${end}`).join('; ');
}

function describe(error: unknown): string {
  return error instanceof ResidentError ? `${error.code}: ${error.message}` : messageOf(error);
}

import { performance } from 'node:perf_hooks';
import { SHAPE_135M } from '../model/shape.js';
import { seededRandom } from '../support/seeded-random.js';
import { median } from '../support/statistics.js';
import { Generator } from './generator.js';

export const BATCHES = [1, 8, 32] as const;
export const PROMPT_TOKENS = 128;
export const NEW_TOKENS = 64;
const ROUNDS = 5;

export interface Speed {
  readonly batch: number;
  /** Generated tokens per second, prefill included. */
  readonly tokensPerSecond: number;
}

/** As many requests at once as the batch has rows, each with a prompt of its own; medians of rounds behind a first one. */
export async function measureSpeed(folder: string): Promise<Speed[]> {
  const model = await Generator.load(folder, { device: 'webgpu', dtype: 'fp16', prefixCache: false });
  try {
    const speeds: Speed[] = [];
    for (const batch of BATCHES) {
      await generate(model, batch, 'warm-up');
      const times: number[] = [];
      for (let round = 0; round < ROUNDS; round++) times.push(await generate(model, batch, `round ${round}`));
      speeds.push({ batch, tokensPerSecond: (batch * NEW_TOKENS * 1000) / median(times) });
    }
    return speeds;
  } finally {
    await model.stop();
  }
}

/** @returns milliseconds */
async function generate(model: Generator, batch: number, seed: string): Promise<number> {
  const random = seededRandom(`${seed} ${batch}`);
  const prompts = Array.from({ length: batch }, () =>
    Array.from({ length: PROMPT_TOKENS }, () => 5 + Math.floor(random() * (SHAPE_135M.vocab - 5))),
  );
  const started = performance.now();
  const answers = await Promise.all(
    prompts.map((tokens) =>
      model.run({ prompt: { kind: 'tokens', tokens }, maxTokens: NEW_TOKENS, ignoreEos: true }),
    ),
  );
  const ms = performance.now() - started;
  for (const { usage } of answers)
    if (usage.completionTokens !== NEW_TOKENS) throw new Error(`${usage.completionTokens} tokens came`);
  return ms;
}

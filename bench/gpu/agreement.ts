import { performance } from 'node:perf_hooks';
import { seededRandom } from '../support/seeded-random.js';
import { Generator } from './generator.js';
import type { TextModel } from './models.js';

export const PROMPTS = [
  'Once upon a time',
  'Lily and Ben went to the park',
  'One day, a big dog',
  'The old king said to his daughter',
  'In the forest there was a house',
  'It was a dark night, and the wind',
  'A little girl had a red ball. She',
  'There were two brothers who',
  'The bird looked at the cat and said',
  'Mother told the boy not to go',
] as const;

/** How many tokens of float32 texts, and of float16 ones, are compared. */
export const TOKENS = { fp32: 120, fp16: 50 } as const;
/** Requests that come and go at random. */
export const ARRIVALS = 60;

export interface Agreement {
  readonly model: string;
  readonly dtype: 'fp32' | 'fp16';
  readonly kvCache: string;
  /** Of the prompts: those whose tokens are the CPU's float32 ones. */
  readonly same: number;
  /** Of the arrivals: those whose tokens are the ones that the prompt gets alone. */
  readonly sameInCompany: number;
}

/** Greedy tokens on the GPU against those of the CPU at float32, alone; and on the GPU alone against in company. */
export async function compareTexts({ name, folder }: TextModel): Promise<Agreement[]> {
  const reference = await withModel(folder, { device: 'cpu', dtype: 'fp32' }, (cpu) => all(cpu, TOKENS.fp32));
  const agreements: Agreement[] = [];
  for (const dtype of ['fp32', 'fp16'] as const) {
    const agreement = await withModel(folder, { device: 'webgpu', dtype }, async (gpu) => {
      const alone = await all(gpu, TOKENS[dtype]);
      return {
        model: name,
        dtype,
        kvCache: gpu.info.kvCache ?? '',
        same: count(alone, reference, TOKENS[dtype]),
        sameInCompany: await inCompany(gpu, alone, TOKENS[dtype]),
      };
    });
    agreements.push(agreement);
  }
  return agreements;
}

async function all(model: Generator, maxTokens: number): Promise<number[][]> {
  const texts: number[][] = [];
  for (const prompt of PROMPTS) texts.push(await model.tokens(prompt, maxTokens));
  return texts;
}

/** Requests of random lengths at random times: rows join and leave all the while. */
async function inCompany(model: Generator, alone: readonly number[][], most: number): Promise<number> {
  const random = seededRandom('company');
  const arrivals = Array.from({ length: ARRIVALS }, () => ({
    prompt: Math.floor(random() * PROMPTS.length),
    tokens: 1 + Math.floor(random() * most),
    at: performance.now() + random() * 2000,
  }));
  const same = arrivals.map(async ({ prompt, tokens, at }) => {
    await new Promise((resolve) => setTimeout(resolve, at - performance.now()));
    const text = await model.tokens(PROMPTS[prompt] as string, tokens);
    return isBeginning(text, alone[prompt] as number[]);
  });
  return (await Promise.all(same)).filter(Boolean).length;
}

function count(texts: readonly number[][], expected: readonly number[][], tokens: number): number {
  return texts.filter((text, i) => isBeginning(text.slice(0, tokens), expected[i] as number[])).length;
}

function isBeginning(tokens: readonly number[], text: readonly number[]): boolean {
  return tokens.every((token, i) => token === text[i]);
}

async function withModel<T>(
  folder: string,
  spec: { device: 'cpu' | 'webgpu'; dtype: 'fp32' | 'fp16' },
  use: (model: Generator) => Promise<T>,
): Promise<T> {
  const model = await Generator.load(folder, spec);
  try {
    return await use(model);
  } finally {
    await model.stop();
  }
}

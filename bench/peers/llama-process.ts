/** The process of node-llama-cpp: batched greedy decoding, without a server. */
import { availableParallelism } from 'node:os';
import { summarizeWaves, type BareFigures, type BareJob, type Wave } from '../raw/bare-figures.js';
import { answerRequests } from '../support/bare-process.js';
import { loadLlamaModel, type LlamaModel, type LlamaSequence } from './node-llama-cpp.js';

export type LlamaRequest =
  | { readonly type: 'open'; readonly file: string }
  | { readonly type: 'run'; readonly jobs: readonly BareJob[] };

/** Of `open`: undefined. */
export type LlamaResult = BareFigures | undefined;

/** Tokens in one pass of llama.cpp. */
const BATCH_TOKENS = 1024;
/** What a context holds beyond what is asked of it. */
const SPARE_TOKENS = 32;

function createHandler(): (request: LlamaRequest) => Promise<LlamaResult> {
  let model: LlamaModel | undefined;
  return async (request) => {
    switch (request.type) {
      case 'open':
        model = await loadLlamaModel(request.file);
        return undefined;
      case 'run': {
        if (!model) throw new Error('no model is open');
        const waves: Wave[] = [];
        for (const job of request.jobs) waves.push(await runWave(model, job));
        return summarizeWaves(waves);
      }
      default:
        return request satisfies never;
    }
  };
}

/** Makes a context for the job, outside of what is timed. */
async function runWave(llama: LlamaModel, { prompts, newTokens }: BareJob): Promise<Wave> {
  const longest = Math.max(...prompts.map(({ length }) => length));
  const context = await llama.createContext({
    contextSize: longest + newTokens + SPARE_TOKENS,
    sequences: prompts.length,
    batchSize: BATCH_TOKENS,
    threads: availableParallelism(),
  });
  try {
    const sequences = prompts.map((prompt) => ({ prompt, sequence: context.getSequence() }));
    const start = performance.now();
    const times = await Promise.all(
      sequences.map(({ prompt, sequence }) => generate(sequence, prompt, newTokens)),
    );
    const end = performance.now();
    const decodeStart = Math.max(...times.map(([first = end]) => first));
    const decoded = times.flat().filter((time) => time > decodeStart).length;
    return { tokens: prompts.length * newTokens, start, decodeStart, end, decoded };
  } finally {
    await context.dispose();
  }
}

/** @returns when each token came */
async function generate(
  sequence: LlamaSequence,
  prompt: readonly number[],
  count: number,
): Promise<readonly number[]> {
  const times: number[] = [];
  for await (const _ of sequence.evaluate([...prompt], { temperature: 0, yieldEogToken: true })) {
    times.push(performance.now());
    if (times.length === count) return times;
  }
  throw new Error(`a sequence ended after ${times.length} of ${count} tokens`);
}

answerRequests(createHandler());

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createBatch, getBatch, isOver, uploadFile } from '../batches/batch-client.js';
import type { PromptWriter } from '../load/prompts.js';
import { seededRandom, wholeBetween } from '../support/seeded-random.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

/** What a batch runs. */
export interface BatchShape {
  readonly lines: number;
  readonly promptTokens: number;
  /** On average: between half and one and a half times as many, so that lines don't end all at a time. */
  readonly newTokens: number;
}

const POLL_MS = 100;
const STARTED_WITHIN_MS = 120_000;
/** By then the batch is in full swing. */
const LINES_UNDER_WAY = 8;

/** OpenAI's lines of a batch, each with a prompt of its own. */
export function writeBatchLines(
  { lines, promptTokens, newTokens }: BatchShape,
  writer: PromptWriter,
  model: string,
): string {
  const random = seededRandom('background');
  const half = Math.floor(newTokens / 2);
  return Array.from({ length: lines }, (_, i) => {
    const prompt = writer.write(`background/${i}`, promptTokens).text;
    const length = wholeBetween(random, newTokens - half, newTokens + half);
    const body = { model, prompt, max_tokens: length, temperature: 0, ignore_eos: true };
    return `${JSON.stringify({ custom_id: String(i), method: 'POST', url: '/v1/completions', body })}\n`;
  }).join('');
}

/** A batch that a server runs for as long as the server lives. */
export class BatchLoad {
  readonly #url: string;
  readonly #newTokens: number;
  #id = '';

  /** @param newTokens of a line, on average */
  constructor(url: string, newTokens: number) {
    this.#url = url;
    this.#newTokens = newTokens;
  }

  /** Hands the batch in and waits until it is in full swing. */
  async start(lines: string): Promise<void> {
    const file = join(createTemporaryFolder(), 'batch.jsonl');
    writeFileSync(file, lines);
    this.#id = (await createBatch(this.#url, await uploadFile(this.#url, file))).id;
    const deadline = performance.now() + STARTED_WITHIN_MS;
    while ((await this.#answered()) < LINES_UNDER_WAY) {
      if (performance.now() > deadline) throw new Error('the server does not run the batch');
      await sleep(POLL_MS);
    }
  }

  /** Does the work and measures what the batch made meanwhile. @returns tokens per second */
  async measureDuring<T>(work: () => Promise<T>): Promise<{ result: T; tokensPerSecond: number }> {
    const before = await this.#answered();
    const start = performance.now();
    const result = await work();
    const elapsed = performance.now() - start;
    const lines = (await this.#answered()) - before;
    return { result, tokensPerSecond: ((lines * this.#newTokens) / elapsed) * 1000 };
  }

  /** @throws Error if the batch is through: then it was no load any more; or if lines failed */
  async #answered(): Promise<number> {
    const { status, request_counts, errors } = await getBatch(this.#url, this.#id);
    if (isOver(status))
      throw new Error(
        `the batch was ${status} before the measurement was: give it more lines, or look at ${JSON.stringify(errors)}`,
      );
    if (request_counts.failed > 0) throw new Error(`${request_counts.failed} lines of the batch failed`);
    return request_counts.completed;
  }
}

import { existsSync, readdirSync, renameSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PromptWriter } from '../load/prompts.js';

/** What a batch runs. */
export interface BatchShape {
  readonly lines: number;
  readonly promptTokens: number;
  readonly newTokens: number;
}

const NAME = 'saturating';
/** The results while they are being made. */
const RESULTS = /^\.saturating\.results\.jsonl\.\d+\.tmp$/;
const POLL_MS = 100;
const STARTED_WITHIN_MS = 120_000;
/** Results are there in order: by then the batch is in full swing. */
const LINES_UNDER_WAY = 8;

/** Lines for `POST /v1/completions` without their model, each with a prompt of its own. */
export function writeBatchLines(
  { lines, promptTokens, newTokens }: BatchShape,
  writer: PromptWriter,
): string {
  return Array.from({ length: lines }, (_, i) => {
    const prompt = writer.write(`background/${i}`, promptTokens).text;
    const body = { custom_id: String(i), prompt, max_tokens: newTokens, temperature: 0, ignore_eos: true };
    return `${JSON.stringify(body)}\n`;
  }).join('');
}

/** A batch that a server runs from its inbox for as long as the server lives. */
export class BatchLoad {
  readonly #data: string;

  /** @param data the server's data folder */
  constructor(data: string) {
    this.#data = data;
  }

  /** Hands the batch in and waits until it is in full swing. */
  async start(lines: string): Promise<void> {
    const unfinished = join(this.#data, `${NAME}.jsonl`);
    writeFileSync(unfinished, lines);
    renameSync(unfinished, join(this.#data, 'inbox', `${NAME}.jsonl`));
    const deadline = performance.now() + STARTED_WITHIN_MS;
    while ((await this.#results()).lines < LINES_UNDER_WAY) {
      if (performance.now() > deadline) throw new Error('the server does not run the batch in its inbox');
      await sleep(POLL_MS);
    }
  }

  /** Does the work and measures what the batch made meanwhile. @returns tokens per second */
  async measureDuring<T>(work: () => Promise<T>): Promise<{ result: T; tokensPerSecond: number }> {
    const before = await this.#results();
    const start = performance.now();
    const result = await work();
    const elapsed = performance.now() - start;
    const after = await this.#results();
    return { result, tokensPerSecond: ((after.tokens - before.tokens) / elapsed) * 1000 };
  }

  /** @throws Error if the batch is through: then it was no load any more */
  async #results(): Promise<{ lines: number; tokens: number }> {
    if (existsSync(join(this.#data, 'done', `${NAME}.jsonl`)))
      throw new Error('the batch ended before the measurement: give it more lines');
    const outbox = join(this.#data, 'outbox');
    const file = existsSync(outbox) ? readdirSync(outbox).find((name) => RESULTS.test(name)) : undefined;
    return file === undefined
      ? { lines: 0, tokens: 0 }
      : countTokens(await readFile(join(outbox, file), 'utf8'));
  }
}

/** Of complete lines: the last one may still be on its way to the file. */
export function countTokens(results: string): { lines: number; tokens: number } {
  const lines = results.split('\n').slice(0, -1);
  const tokens = lines.reduce((total, line) => {
    const { usage, error } = JSON.parse(line) as {
      usage?: { completion_tokens: number };
      error?: unknown;
    };
    if (!usage) throw new Error(`a line of the batch failed: ${JSON.stringify(error)}`);
    return total + usage.completion_tokens;
  }, 0);
  return { lines: lines.length, tokens };
}

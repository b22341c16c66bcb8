import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { timeToFirstToken } from '../load/load-figures.js';
import type { PromptWriter } from '../load/prompts.js';
import { streamCompletion } from '../load/stream-completion.js';
import { seededRandom, wholeBetween } from '../support/seeded-random.js';
import { startResidentWith } from '../support/servers.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';
import type { Subject } from '../throughput/subjects.js';
import { BatchLoad, type BatchShape } from './batch-load.js';
import type { BackgroundRound, Waiting } from './figures.js';

export const NEW_TOKENS = 16;
/** Between the end of an answer and the next request, in milliseconds. */
export const PAUSE = [50, 250] as const;
/** The same where few people are about. */
export const LIGHT_PAUSE = [2500, 3500] as const;
/** More than any server gets through. */
export const BATCH: BatchShape = { lines: 20_000, promptTokens: 64, newTokens: 64 };
const PROMPT_TOKENS = [20, 256];
const LIGHT_PROMPT_TOKENS = [20];
const LIGHT_REQUESTS = 8;
const BATCH_ALONE_MS = 20_000;
/** Until then the server counts on people coming back, and batches run few rows. */
const QUIET_MS = 11_000;
const WARM_UP_REQUESTS = 4;

interface Client {
  readonly url: string;
  readonly model: string;
  readonly writer: PromptWriter;
}

interface Requests {
  /** Of each prompt length. */
  readonly count: number;
  readonly seed: string;
  readonly promptTokens?: readonly number[];
  readonly pause?: readonly [number, number];
}

/** One client that waits for each answer: prompts of every length in turn. */
async function sendRequests(
  client: Client,
  { count, seed, promptTokens: lengths = PROMPT_TOKENS, pause = PAUSE }: Requests,
): Promise<Waiting[]> {
  const agent = new Agent({ keepAlive: true });
  const random = seededRandom(seed);
  const waiting = lengths.map((promptTokens) => ({ promptTokens, ttfts: [] as number[] }));
  try {
    for (let i = 0; i < count; i++) {
      for (const { promptTokens, ttfts } of waiting) {
        const prompt = client.writer.write(`${seed}/${promptTokens}/${i}`, promptTokens).text;
        const job = { prompt, promptTokens, newTokens: NEW_TOKENS };
        ttfts.push(timeToFirstToken(await streamCompletion({ ...client, agent }, job)));
        await sleep(wholeBetween(random, ...pause));
      }
    }
    return waiting;
  } finally {
    agent.destroy();
  }
}

/**
 * A server of its own: first idle, then with the batch by itself, then with both; few requests, then many.
 * @param requests of each prompt length, idle and among many
 */
export async function measureRound(
  subject: Subject,
  writer: PromptWriter,
  batchLines: string,
  requests: number,
  round: number,
): Promise<BackgroundRound> {
  const server = await startResidentWith(subject, {}, { RESIDENT_DATA: createTemporaryFolder() });
  const client = { url: server.url, model: subject.name, writer };
  try {
    await sendRequests(client, { count: WARM_UP_REQUESTS, seed: `warm-up/${round}` });
    const idle = await sendRequests(client, { count: requests, seed: `idle/${round}` });
    const batch = new BatchLoad(server.url, BATCH.newTokens);
    await batch.start(batchLines);
    await sleep(QUIET_MS);
    const alone = await batch.measureDuring(() => sleep(BATCH_ALONE_MS));
    const light = await batch.measureDuring(() =>
      sendRequests(client, {
        count: LIGHT_REQUESTS,
        seed: `light/${round}`,
        promptTokens: LIGHT_PROMPT_TOKENS,
        pause: LIGHT_PAUSE,
      }),
    );
    const beside = await batch.measureDuring(() =>
      sendRequests(client, { count: requests, seed: `busy/${round}` }),
    );
    return {
      idle,
      light: light.result,
      busy: beside.result,
      batchAlone: alone.tokensPerSecond,
      batchBesideFew: light.tokensPerSecond,
      batchBeside: beside.tokensPerSecond,
    };
  } finally {
    await server.stop();
  }
}

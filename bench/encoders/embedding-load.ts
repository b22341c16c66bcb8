import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { json } from 'node:stream/consumers';
import type { ChildServer } from '../support/child-server.js';
import { probeDuring } from '../support/probe.js';

/** What a load came to, in milliseconds. */
export interface EmbeddingRound {
  readonly texts: number;
  readonly elapsed: number;
  /** Of every request: until its whole answer was there. */
  readonly latencies: readonly number[];
  /** Of `GET /health/live` meanwhile. */
  readonly health: readonly number[];
}

/** How often `/health/live` is asked, in milliseconds. */
const PROBE_EVERY_MS = 20;

/** So many clients, of which each waits for its answer and then sends the next text, until none is left. */
export async function runEmbeddings(
  server: ChildServer,
  model: string,
  texts: readonly string[],
  concurrency: number,
): Promise<EmbeddingRound> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const left = texts.values();
  const latencies: number[] = [];
  const client = async (): Promise<void> => {
    // one iterator for all
    for (const input of left) {
      const start = performance.now();
      await embed(server.url, agent, { model, input });
      latencies.push(performance.now() - start);
    }
  };
  try {
    const { elapsed, latencies: health } = await probeDuring(
      `${server.url}/health/live`,
      PROBE_EVERY_MS,
      () => Promise.all(Array.from({ length: concurrency }, client)),
    );
    return { texts: texts.length, elapsed, latencies, health };
  } finally {
    agent.destroy();
  }
}

async function embed(url: string, agent: Agent, body: { model: string; input: string }): Promise<void> {
  const text = JSON.stringify(body);
  const sent = request(`${url}/v1/embeddings`, {
    method: 'POST',
    agent,
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
  });
  sent.end(text);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const answer = (await json(response)) as { data?: readonly { embedding: readonly number[] }[] };
  if (response.statusCode !== 200 || answer.data?.[0]?.embedding.length === undefined)
    throw new Error(`${url} answered ${response.statusCode}: ${JSON.stringify(answer)}`);
}

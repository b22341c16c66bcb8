import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

export interface Probed<T> {
  /** What the work returned. */
  readonly result: T;
  /** How long the work took, in milliseconds. */
  readonly elapsed: number;
  /** Of every probe: from when it was due to the end of its answer, in milliseconds. */
  readonly latencies: readonly number[];
  /** Of every probe: how late this process sent it, in milliseconds. Part of its latency. */
  readonly lateness: readonly number[];
}

/**
 * Does the work and gets `url` every `intervalMs` meanwhile, whether or not earlier probes were answered: a server that
 * stalls gets all the probes it would have got from independent clients, and none of its stall is left out.
 */
export async function probeDuring<T>(
  url: string,
  intervalMs: number,
  work: () => Promise<T>,
): Promise<Probed<T>> {
  const agent = new Agent({ keepAlive: true });
  const ended = new AbortController();
  const start = performance.now();
  const probing = sendOnSchedule(start, intervalMs, ended.signal, (due) => probe(url, agent, due));
  try {
    const result = await work();
    const elapsed = performance.now() - start;
    ended.abort();
    const { answers, lateness } = await probing;
    return { result, elapsed, latencies: await Promise.all(answers), lateness };
  } finally {
    ended.abort();
    agent.destroy();
  }
}

async function sendOnSchedule(
  start: number,
  intervalMs: number,
  ended: AbortSignal,
  send: (due: number) => Promise<number>,
): Promise<{ answers: Promise<number>[]; lateness: number[] }> {
  const answers: Promise<number>[] = [];
  const lateness: number[] = [];
  let due = start;
  while (!ended.aborted) {
    for (let now = performance.now(); due <= now; due += intervalMs) {
      lateness.push(now - due);
      const answer = send(due);
      answer.catch(() => undefined); // thrown where the answers are awaited
      answers.push(answer);
    }
    await sleep(Math.ceil(due - performance.now()));
  }
  return { answers, lateness };
}

async function probe(url: string, agent: Agent, due: number): Promise<number> {
  const sent = get(url, { agent });
  let response: IncomingMessage;
  try {
    [response] = (await once(sent, 'response')) as [IncomingMessage];
  } catch (error) {
    // the server closed a connection that had been idle just when it was used again: no fault of either
    if (sent.reusedSocket && (error as NodeJS.ErrnoException).code === 'ECONNRESET')
      return probe(url, agent, due);
    throw error;
  }
  if (response.statusCode !== 200) throw new Error(`${url} answered ${response.statusCode}`);
  response.resume();
  await once(response, 'end');
  return performance.now() - due;
}

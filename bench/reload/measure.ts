import { setTimeout as sleep } from 'node:timers/promises';
import type { ResidencyBody } from '../../src/residency/residency.schema.js';
import type { PromptWriter } from '../load/prompts.js';
import type { ChildServer } from '../support/child-server.js';
import { complete, type Completion } from '../support/completion.js';
import { probeDuring } from '../support/probe.js';
import { cpuSecondsOfTree, residentBytesOfTree } from '../support/process-tree.js';
import { CONCURRENCIES, SYSTEMS, type Concurrency, type SystemName } from './systems.js';

export const PROMPT_TOKENS = 12;
export const NEW_TOKENS = 20;
export const PROBE_EVERY_MS = 20;
const WARM_UP_REQUESTS = 2;
const MEMORY_EVERY_MS = 100;
/** Threads that still spin come to rest. */
const SETTLE_MS = 300;

/** So many requests by so many clients. */
export interface Phase {
  readonly requests: number;
  readonly elapsedMs: number;
  /** Of every request: until its whole answer was there. */
  readonly latencies: readonly number[];
  /** Of every `GET /health/live` meanwhile, from when it was due. */
  readonly health: readonly number[];
  /** Of all processes of the system together. */
  readonly cpuSeconds: number;
  readonly peakBytes: number;
  /** By prompt. */
  readonly texts: ReadonlyMap<string, string>;
}

/** One life of one system. */
export interface Round {
  /** From the start of its process until its first answer was there. */
  readonly firstAnswerMs: number;
  readonly phases: Readonly<Record<Concurrency, Phase>>;
  /** What Resident itself says at the end. */
  readonly ledger?: ResidencyBody['data'][number] | undefined;
}

/** Starts the system, asks it for completions as one client and as four, and ends it. */
export async function measureRound(
  name: SystemName,
  folder: string,
  prompts: PromptWriter,
  round: number,
): Promise<Round> {
  const { start, requests } = SYSTEMS[name];
  // the same prompts for all systems; none of one life begins like another, so that no cache of prefixes helps
  const promptsOf = (phase: string, count: number): string[] =>
    Array.from({ length: count }, (_, i) => prompts.write(`${round} ${phase} ${i}`, PROMPT_TOKENS).text);
  const begun = performance.now();
  const server = await start(folder);
  try {
    const [first = '', ...warmUp] = promptsOf('first', 1 + WARM_UP_REQUESTS);
    await complete(server.url, first, NEW_TOKENS, true);
    const firstAnswerMs = performance.now() - begun;
    for (const prompt of warmUp) await complete(server.url, prompt, NEW_TOKENS, true);
    const phases: Partial<Record<Concurrency, Phase>> = {};
    for (const concurrency of CONCURRENCIES) {
      await sleep(SETTLE_MS);
      const phase = promptsOf(`at ${concurrency}`, requests[concurrency]);
      phases[concurrency] = await measurePhase(server, phase, concurrency);
    }
    const ledger = name === 'resident' ? await readLedger(server) : undefined;
    return { firstAnswerMs, phases: phases as Record<Concurrency, Phase>, ledger };
  } finally {
    await server.stop();
  }
}

async function measurePhase(
  server: ChildServer,
  prompts: readonly string[],
  concurrency: number,
): Promise<Phase> {
  const memory = watchMemory(server.pid);
  const cpuBefore = cpuSecondsOfTree(server.pid);
  const { result, elapsed, latencies } = await probeDuring(`${server.url}/health/live`, PROBE_EVERY_MS, () =>
    runClients(server, prompts, concurrency),
  );
  return {
    requests: prompts.length,
    elapsedMs: elapsed,
    latencies: result.map(({ ms }) => ms),
    health: latencies,
    cpuSeconds: cpuSecondsOfTree(server.pid) - cpuBefore,
    peakBytes: memory.stop(),
    texts: new Map(result.map(({ prompt, completion }) => [prompt, completion.text])),
  };
}

interface Answered {
  readonly prompt: string;
  readonly completion: Completion;
  readonly ms: number;
}

/** Each client waits for its answer and then sends the next prompt, until none is left. */
async function runClients(
  { url }: ChildServer,
  prompts: readonly string[],
  concurrency: number,
): Promise<Answered[]> {
  const left = prompts.values();
  const answered: Answered[] = [];
  const client = async (): Promise<void> => {
    // one iterator for all
    for (const prompt of left) {
      const start = performance.now();
      const completion = await complete(url, prompt, NEW_TOKENS, true);
      answered.push({ prompt, completion, ms: performance.now() - start });
    }
  };
  await Promise.all(Array.from({ length: concurrency }, client));
  return answered;
}

function watchMemory(pid: number): { stop: () => number } {
  let peak = residentBytesOfTree(pid);
  const look = (): void => {
    peak = Math.max(peak, residentBytesOfTree(pid));
  };
  const timer = setInterval(look, MEMORY_EVERY_MS);
  return {
    stop() {
      clearInterval(timer);
      look();
      return peak;
    },
  };
}

async function readLedger({ url }: ChildServer): Promise<ResidencyBody['data'][number] | undefined> {
  const answer = await fetch(`${url}/v1/residency`);
  if (!answer.ok) throw new Error(`${url}/v1/residency answered ${answer.status}`);
  return ((await answer.json()) as ResidencyBody).data[0];
}

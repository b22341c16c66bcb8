import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  streamCompletion,
  type CompletionEndpoint,
  type CompletionJob,
  type StreamedCompletion,
} from './stream-completion.js';

/** A job that comes at its time, whether or not what came before it is done. */
export interface TimedJob extends CompletionJob {
  /** Milliseconds after the beginning. */
  readonly at: number;
}

export type Target = Omit<CompletionEndpoint, 'agent'>;

/**
 * As many clients as `concurrency`: each sends its next job as soon as its last one is complete.
 * @returns the completions in the order of the jobs
 */
export async function runClosedLoop(
  target: Target,
  jobs: readonly CompletionJob[],
  concurrency: number,
): Promise<StreamedCompletion[]> {
  return withAgent(async (agent) => {
    const completions: StreamedCompletion[] = [];
    const waiting = jobs.entries();
    const client = async (): Promise<void> => {
      for (const [index, job] of waiting) {
        completions[index] = await streamCompletion({ ...target, agent }, job);
      }
    };
    await Promise.all(Array.from({ length: concurrency }, client));
    return completions;
  });
}

/** Sends every job when it is due, and times it from then. */
export async function runOpenLoop(target: Target, jobs: readonly TimedJob[]): Promise<StreamedCompletion[]> {
  return withAgent(async (agent) => {
    const start = performance.now();
    return Promise.all(
      jobs.map(async (job) => {
        const due = start + job.at;
        await sleep(Math.max(0, due - performance.now()));
        return streamCompletion({ ...target, agent }, job, due);
      }),
    );
  });
}

async function withAgent<T>(work: (agent: Agent) => Promise<T>): Promise<T> {
  const agent = new Agent({ keepAlive: true });
  try {
    return await work(agent);
  } finally {
    agent.destroy();
  }
}

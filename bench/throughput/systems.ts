import { createHash } from 'node:crypto';
import { summarizeLoad, spreadOf } from '../load/load-figures.js';
import { runClosedLoop, runOpenLoop, type Target } from '../load/run-load.js';
import type { StreamedCompletion } from '../load/stream-completion.js';
import { installLlama } from '../peers/node-llama-cpp.js';
import type { LlamaRequest, LlamaResult } from '../peers/llama-process.js';
import type { BareFigures, BareJob } from '../raw/bare-figures.js';
import type { RawRequest, RawResult } from '../raw/raw-process.js';
import { startBareProcess, type BareProcess } from '../support/bare-process.js';
import type { ChildServer } from '../support/child-server.js';
import { probeDuring } from '../support/probe.js';
import { startNaive, startResidentWith } from '../support/servers.js';
import { inWaves, type Cell, type PlannedJob } from './plan.js';
import type { Sample, SystemName } from './results.js';
import type { Subject } from './subjects.js';

/** One of what is compared, with its model loaded. */
export interface System {
  readonly name: SystemName;
  readonly pid: number;
  readonly runs: (cell: Cell) => boolean;
  run(cell: Cell, jobs: readonly PlannedJob[]): Promise<Sample>;
  stop(): Promise<void>;
}

const PROBE_EVERY_MS = 20;

/** @param cacheTokens the raw ceiling's cache must hold as many */
export async function startSystem(name: SystemName, subject: Subject, cacheTokens: number): Promise<System> {
  switch (name) {
    case 'naive':
      return serverSystem(name, await startNaive(subject.folder), subject.name);
    case 'resident':
      return serverSystem(name, await startResidentWith(subject), subject.name);
    case 'raw':
      return startRaw(subject, cacheTokens);
    case 'llama':
      return startLlama(subject);
    default:
      return name satisfies never;
  }
}

function serverSystem(name: SystemName, server: ChildServer, model: string): System {
  const target = { url: server.url, model };
  return {
    name,
    pid: server.pid,
    runs: () => true,
    async run(cell, jobs) {
      const load = (): Promise<StreamedCompletion[]> => runLoad(target, cell, jobs);
      const probed = await probeDuring(`${server.url}/health/live`, PROBE_EVERY_MS, load);
      return {
        ...summarizeLoad(probed.result),
        health: spreadOf(probed.latencies),
        probeLateness: spreadOf(probed.lateness),
        texts: probed.result.map(({ text }) => shortHash(text)),
      };
    },
    stop: () => server.stop(),
  };
}

async function runLoad(
  target: Target,
  cell: Cell,
  jobs: readonly PlannedJob[],
): Promise<StreamedCompletion[]> {
  return cell.concurrency === undefined
    ? runOpenLoop(target, jobs)
    : runClosedLoop(target, jobs, cell.concurrency);
}

async function startRaw(subject: Subject, cacheTokens: number): Promise<System> {
  const child = startBareProcess<RawRequest, RawResult>(new URL('../raw/raw-process.ts', import.meta.url));
  return openBare('raw', child, { type: 'open', folder: subject.folder, cacheTokens });
}

async function startLlama(subject: Subject): Promise<System> {
  await installLlama();
  const file = await subject.gguf();
  const child = startBareProcess<LlamaRequest, LlamaResult>(
    new URL('../peers/llama-process.ts', import.meta.url),
  );
  return openBare('llama', child, { type: 'open', file });
}

interface RunRequest {
  readonly type: 'run';
  readonly jobs: readonly BareJob[];
}

async function openBare<Open>(
  name: SystemName,
  child: BareProcess<Open | RunRequest, BareFigures | undefined>,
  open: Open,
): Promise<System> {
  try {
    await child.ask(open);
  } catch (error) {
    await child.stop();
    throw error;
  }
  return {
    name,
    pid: child.pid,
    // without a server nothing arrives over time
    runs: ({ concurrency }) => concurrency !== undefined,
    async run({ concurrency = 1 }, jobs) {
      const waves = inWaves(jobs, concurrency).map((wave) => ({
        prompts: wave.map(({ tokens }) => tokens),
        newTokens: wave[0]?.newTokens ?? 0,
      }));
      return (await child.ask({ type: 'run', jobs: waves })) as BareFigures;
    },
    stop: () => child.stop(),
  };
}

function shortHash(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8);
}

import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { PromptWriter } from '../load/prompts.js';
import { startBusyMeter } from '../support/machine.js';
import { residentBytesOfTree } from '../support/process-tree.js';
import type { ThroughputOptions } from './options.js';
import {
  PROMPT_TOKENS,
  planCells,
  planJobs,
  planWarmUp,
  wantsRound,
  type Cell,
  type PlannedJob,
} from './plan.js';
import type { CellResult, Sample, SubjectResult, SystemName } from './results.js';
import type { Subject } from './subjects.js';
import { startSystem, type System } from './systems.js';

/** What a comparison can do without: its ceiling and its peers. */
const OPTIONAL: ReadonlySet<SystemName> = new Set(['raw', 'llama']);
const IDLE_MS = 1000;
/** A row of a cache may hold more than it was asked to: whole blocks. */
const SPARE_TOKENS = 64;
/** Between two systems' turns: threads that still spin come to rest. */
const SETTLE_MS = 200;

/** Measures one model: all systems are up all the time and take turns. */
export async function measureSubject(subject: Subject, options: ThroughputOptions): Promise<SubjectResult> {
  const comparison = new Comparison(subject, options);
  try {
    return await comparison.run();
  } finally {
    await comparison.stop();
  }
}

class Comparison {
  readonly #subject: Subject;
  readonly #options: ThroughputOptions;
  readonly #writer: PromptWriter;
  readonly #systems = new Set<System>();
  readonly #absent: Partial<Record<SystemName, string>> = {};

  constructor(subject: Subject, options: ThroughputOptions) {
    this.#subject = subject;
    this.#options = options;
    this.#writer = PromptWriter.forModel(subject.folder);
  }

  async run(): Promise<SubjectResult> {
    await this.#start();
    await this.#warmUp();
    const machineBusyIdle = await measureIdle();
    const cells: CellResult[] = [];
    for (const cell of planCells(this.#options.workloads, this.#options.concurrencies)) {
      cells.push(await this.#measureCell(cell));
    }
    const memory = Object.fromEntries(
      Array.from(this.#systems, ({ name, pid }) => [name, residentBytesOfTree(pid)]),
    );
    const { name, title, kind } = this.#subject;
    return { name, title, kind, cells, memory, absent: this.#absent, machineBusyIdle };
  }

  async stop(): Promise<void> {
    await Promise.all(Array.from(this.#systems, (system) => system.stop()));
  }

  async #start(): Promise<void> {
    const { concurrencies, systems, volume } = this.#options;
    const cacheTokens = Math.max(...concurrencies) * (PROMPT_TOKENS.long + volume.newTokens + SPARE_TOKENS);
    for (const name of systems) {
      this.#log(`starting ${name}`);
      const system = await startSystem(name, this.#subject, cacheTokens).catch((error: unknown) =>
        this.#doWithout(name, error),
      );
      if (system) this.#systems.add(system);
    }
  }

  async #warmUp(): Promise<void> {
    const concurrency = Math.max(...this.#options.concurrencies);
    const longest = this.#options.workloads.includes('long') ? PROMPT_TOKENS.long : PROMPT_TOKENS.short;
    const jobs = planWarmUp(concurrency, longest, this.#writer);
    for (const system of this.#systems) await this.#runOn(system, { workload: 'short', concurrency }, jobs);
  }

  async #measureCell(cell: Cell): Promise<CellResult> {
    const { rounds, cellBudget, volume } = this.#options;
    const samples: Partial<Record<SystemName, Sample[]>> = {};
    for (let round = 1; round <= rounds; round++) {
      const jobs = planJobs(cell, round, volume, this.#writer);
      for (const system of this.#systems) {
        const own = samples[system.name] ?? [];
        const elapsed = own.map((sample) => sample.elapsed);
        if (!system.runs(cell) || !wantsRound(elapsed, rounds, cellBudget)) continue;
        const sample = await this.#runOn(system, cell, jobs);
        if (!sample) continue;
        samples[system.name] = [...own, sample];
        const speed = `${sample.tokensPerSecond.toFixed(0)} tok/s`;
        this.#log(`${describe(cell)}, round ${round}: ${system.name} ${speed}`);
        await sleep(SETTLE_MS);
      }
    }
    return { ...cell, samples };
  }

  /** @returns undefined if the system failed and the comparison goes on without it */
  async #runOn(system: System, cell: Cell, jobs: readonly PlannedJob[]): Promise<Sample | undefined> {
    try {
      return await system.run(cell, jobs);
    } catch (error) {
      this.#doWithout(system.name, error);
      this.#systems.delete(system);
      await system.stop();
      return undefined;
    }
  }

  /** @throws the error, if there is nothing to compare without this system */
  #doWithout(name: SystemName, error: unknown): undefined {
    if (!OPTIONAL.has(name)) throw error;
    const message = error instanceof Error ? error.message : String(error);
    this.#absent[name] = withoutRoot(message.split('\n', 1)[0] ?? '');
    this.#log(`without ${name}: ${message}`);
    return undefined;
  }

  #log(line: string): void {
    process.stderr.write(`${this.#subject.name}: ${line}\n`);
  }
}

async function measureIdle(): Promise<number> {
  const busy = startBusyMeter();
  await sleep(IDLE_MS);
  return busy();
}

/** Where the project lies is nobody's business. */
function withoutRoot(message: string): string {
  return message.replaceAll(fileURLToPath(new URL('../..', import.meta.url)), '');
}

function describe({ workload, concurrency }: Cell): string {
  return concurrency === undefined ? workload : `${workload} x ${concurrency}`;
}

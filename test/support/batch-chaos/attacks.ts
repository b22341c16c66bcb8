import { setTimeout as sleep } from 'node:timers/promises';
import { isOver } from '../../../bench/batches/batch-client.js';
import { wholeBetween } from '../../../bench/support/seeded-random.js';
import type { ChaosSystem, Services } from './system.js';
import type { BatchState } from './witness.js';

/** What is killed. `server twice`: again while it takes the work up. */
export const VICTIMS = ['server', 'server twice', 'engine', 'redis', 'postgres'] as const;
export type Victim = (typeof VICTIMS)[number];

/** A kill that was done: its time, and what tells that its work goes on. */
export interface Attack {
  readonly at: number;
  /** Lines whose answer was recorded by then: none may run again. */
  readonly settled: ReadonlySet<number>;
  /** Runs of all engines until then. */
  readonly runsBefore: readonly string[];
  /** Whether what was lost is worked on again, by whoever. */
  hasResumed(state: BatchState): boolean;
  /** Until what was killed is there again. */
  readonly repaired: Promise<void>;
}

/** How long a server, Redis or Postgres stays away at most, where others could go on without it, in milliseconds. */
const LONGEST_ABSENCE_MS = 3000;
const SHORTEST_LIFE_MS = 200;
const LONGEST_LIFE_MS = 2000;
/** Answers that had come before an engine died are written by then, in milliseconds. */
const SETTLED_AFTER_MS = 250;

/** Kills with SIGKILL, and starts again what is not restarted by itself. @returns undefined: there was nothing to kill */
export async function attack(
  system: ChaosSystem,
  batch: string,
  victim: Victim,
  random: () => number,
): Promise<Attack | undefined> {
  switch (victim) {
    case 'server':
      return attackServer(system, batch, random);
    case 'server twice':
      await system.killServer(0);
      await system.startServer(0);
      await sleep(wholeBetween(random, SHORTEST_LIFE_MS, LONGEST_LIFE_MS));
      return attackServer(system, batch, random, 0);
    case 'engine':
      return attackEngine(system, batch, random);
    case 'redis':
      return attackRedis(system, batch, random);
    case 'postgres':
      return attackPostgres(system, batch, random);
    default:
      return victim satisfies never;
  }
}

async function attackServer(
  system: ChaosSystem,
  batch: string,
  random: () => number,
  slot = chooseSlot(system, random),
): Promise<Attack> {
  const worker = await system.witness.workerOf(system.server(slot).pid);
  const at = performance.now();
  await system.killServer(slot);
  const before = await look(system, batch);
  const absence = system.shape.servers > 1 ? wholeBetween(random, 0, LONGEST_ABSENCE_MS) : 0;
  return {
    at,
    ...before,
    hasResumed: ({ holders, ...state }) =>
      !(worker !== undefined && holders.has(worker)) && hasMoved(before.state, state),
    repaired: sleep(absence).then(() => system.startServer(slot)),
  };
}

async function attackEngine(
  system: ChaosSystem,
  batch: string,
  random: () => number,
): Promise<Attack | undefined> {
  const slot = chooseSlot(system, random);
  const worker = await system.witness.workerOf(system.server(slot).pid);
  const at = performance.now();
  if (!(await system.killEngine(slot))) return undefined;
  const runs = system.runBytesOf(slot);
  await sleep(SETTLED_AFTER_MS);
  const before = await look(system, batch);
  const isCounted = system.shape.engine !== 'embedded';
  const runsAgain = (state: BatchState): boolean =>
    isCounted ? system.runBytesOf(slot) > runs : hasMoved(before.state, state);
  return {
    at,
    ...before,
    hasResumed: (state) =>
      state.status !== 'in_progress' ||
      (worker !== undefined && !state.holders.has(worker)) ||
      runsAgain(state),
    // by its server
    repaired: Promise.resolve(),
  };
}

async function attackRedis(system: ChaosSystem, batch: string, random: () => number): Promise<Attack> {
  const { redis } = servicesOf(system);
  const at = performance.now();
  await redis.kill();
  const before = await look(system, batch);
  return {
    at,
    ...before,
    hasResumed: (state) => hasMoved(before.state, state),
    repaired: sleep(wholeBetween(random, 0, LONGEST_ABSENCE_MS)).then(() => redis.restart()),
  };
}

/** Nobody can do anything meanwhile: it is back before anything is looked at. */
async function attackPostgres(system: ChaosSystem, batch: string, random: () => number): Promise<Attack> {
  const { postgres } = servicesOf(system);
  const at = performance.now();
  await postgres.kill();
  await sleep(wholeBetween(random, 0, LONGEST_ABSENCE_MS));
  await postgres.restart();
  const before = await look(system, batch);
  return { at, ...before, hasResumed: (state) => hasMoved(before.state, state), repaired: Promise.resolve() };
}

function servicesOf({ services }: ChaosSystem): Services {
  if (!services) throw new Error('this system has neither Redis nor Postgres');
  return services;
}

/** What is settled by now; then what was run by now, which may be more. */
async function look(
  system: ChaosSystem,
  batch: string,
): Promise<Pick<Attack, 'settled' | 'runsBefore'> & { state: BatchState }> {
  const { witness } = system;
  const settled = new Set(await witness.answeredLines(batch));
  const state = await witness.state(batch);
  if (!state) throw new Error('the database does not answer');
  return { settled, state, runsBefore: system.slots.flatMap((slot) => system.runsOf(slot)) };
}

function hasMoved(
  before: BatchState,
  { status, answered }: Pick<BatchState, 'status' | 'answered'>,
): boolean {
  return answered > before.answered || status !== before.status || isOver(status);
}

/** How often something died. */
export function deathsOf(victim: Victim): number {
  return victim === 'server twice' ? 2 : 1;
}

function chooseSlot(system: ChaosSystem, random: () => number): number {
  return wholeBetween(random, 0, system.shape.servers - 1);
}

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  createBatch,
  downloadFile,
  getBatch,
  isOver,
  uploadFile,
  type BatchAnswer,
} from '../../../bench/batches/batch-client.js';
import { wholeBetween } from '../../../bench/support/seeded-random.js';
import { sum } from '../../../bench/support/statistics.js';
import { until } from '../server.js';
import { attack, deathsOf, type Attack, type Victim } from './attacks.js';
import { findProblems, formatLines, type RoundLines } from './lines.js';
import type { ChaosSystem } from './system.js';
import type { BatchState } from './witness.js';

/** When something is killed: in a stage that is over in no time, or at some share of the answered lines. */
type Moment = 'validating' | 'finalizing' | number;

export interface KillReport {
  readonly victim: Victim;
  readonly moment: Moment;
  /** Until what was lost was worked on again, in milliseconds; undefined: the batch was over. */
  readonly resumedMs: number | undefined;
  /** Until what was killed was up again, if it isn't restarted by its server; in milliseconds. */
  readonly upMs: number;
}

export interface RoundReport {
  readonly name: string;
  readonly lines: number;
  readonly seconds: number;
  readonly kills: readonly KillReport[];
  /** Lines that were in flight at a kill, and ran again: how many runs more than lines. Undefined: nobody counted. */
  readonly runsAgain: number | undefined;
  /** What is wrong with the output, or was run that mustn't be; nothing, if all is well. */
  readonly problems: readonly string[];
}

export interface RoundPlan {
  readonly name: string;
  readonly lines: RoundLines;
  readonly victims: readonly Victim[];
  readonly random: () => number;
}

const POLL_MS = 10;
const MOST_PROBLEMS = 3;
/** One kill of six is in a stage. */
const STAGES: readonly Moment[] = ['validating', 'finalizing'];
const STAGE_SHARE = 1 / 6;
/** From the moment that was waited for to the kill, at most, in milliseconds. */
const JITTER_MS = 60;
/** Whatever is wrong shows by then. */
const LONGEST_ROUND_MS = 60_000;

/** Hands a batch in, kills what is to be killed, one after another, and looks whether all is well in the end. */
export async function runRound(system: ChaosSystem, plan: RoundPlan): Promise<RoundReport> {
  const { name, lines, victims, random } = plan;
  const started = performance.now();
  const deadline = started + LONGEST_ROUND_MS;
  const { id } = await handIn(system, name, lines);
  const kills: KillReport[] = [];
  const attacks: Attack[] = [];
  for (const victim of victims) {
    const moment = chooseMoment(random);
    await waitForState(system, id, deadline, (state) => hasCome(moment, state));
    await sleep(wholeBetween(random, 0, JITTER_MS));
    const done = await attack(system, id, victim, random);
    if (!done) continue;
    attacks.push(done);
    const up = done.repaired.then(() => performance.now() - done.at);
    up.catch(() => undefined); // thrown where it is awaited
    const { status } = await waitForState(system, id, deadline, (state) => done.hasResumed(state));
    const resumedMs = performance.now() - done.at;
    kills.push({ victim, moment, resumedMs: isOver(status) ? undefined : resumedMs, upMs: await up });
  }
  await waitForState(system, id, deadline, ({ status }) => isOver(status));
  const seconds = (performance.now() - started) / 1000;
  const runs = runsOf(system, name);
  return {
    name,
    lines: lines.prompts.length,
    seconds,
    kills,
    runsAgain: runs && runs.length - new Set(runs).size,
    problems: [
      await checkOutput(system, id, plan),
      runs ? checkRuns(runs, lines, sum(victims.map(deathsOf))) : [],
      ...attacks.map((done) => checkSettled(done, lines, runs ?? [])),
    ].flatMap(shorten),
  };
}

/** A few of a kind tell enough. */
function shorten(problems: readonly string[]): readonly string[] {
  const others = problems.length - MOST_PROBLEMS;
  return others > 0 ? [...problems.slice(0, MOST_PROBLEMS), `and ${others} like these`] : problems;
}

async function handIn(system: ChaosSystem, name: string, lines: RoundLines): Promise<BatchAnswer> {
  const file = join(system.data, 'input', `${name}.jsonl`);
  writeFileSync(file, formatLines(lines));
  return createBatch(system.url, await uploadFile(system.url, file));
}

function chooseMoment(random: () => number): Moment {
  if (random() >= STAGE_SHARE) return Math.round(random() * 100) / 100;
  return STAGES[wholeBetween(random, 0, STAGES.length - 1)] as Moment;
}

function hasCome(moment: Moment, { status, answered, total }: BatchState): boolean {
  if (moment === 'validating' || isOver(status)) return true;
  const share = moment === 'finalizing' ? 1 : moment;
  return status === 'finalizing' || (status === 'in_progress' && answered >= share * total);
}

/** @throws Error with what is known, once the time is up */
async function waitForState(
  system: ChaosSystem,
  id: string,
  deadline: number,
  condition: (state: BatchState) => boolean,
): Promise<BatchState> {
  for (;;) {
    system.check();
    const state = await system.witness.state(id);
    if (state && condition(state)) return state;
    if (performance.now() > deadline)
      throw new Error(
        `the batch ${id} doesn't go on: ${state ? `${state.status}, ${state.answered} of ${state.total} lines, held by ${[...state.holders].join(', ') || 'nobody'}` : 'no database'}\n${system.output}`,
      );
    await sleep(POLL_MS);
  }
}

/** What the engines of all servers ran for a round; undefined: they keep no log. */
function runsOf(system: ChaosSystem, name: string): string[] | undefined {
  if (system.shape.engine === 'embedded') return undefined;
  return system.slots.flatMap((slot) => system.runsOf(slot)).filter((run) => run.startsWith(`${name} `));
}

async function checkOutput(system: ChaosSystem, id: string, { name, lines }: RoundPlan): Promise<string[]> {
  let batch: BatchAnswer | undefined;
  // the server may have been started a moment ago, or have lost its database just now
  await until(async () => (batch = await getBatch(system.url, id)) !== undefined);
  const { status, output_file_id, error_file_id, request_counts } = batch as unknown as BatchAnswer;
  const total = lines.prompts.length;
  if (status !== 'completed' || output_file_id === null)
    return [`the batch is ${status}: ${JSON.stringify(batch)}`];
  const { completed, failed } = request_counts;
  const counts =
    completed === total && failed === 0 && error_file_id === null
      ? []
      : [`the counts are ${JSON.stringify(request_counts)}, the file of errors is ${error_file_id}`];
  const file = join(system.data, 'input', `${name}.output.jsonl`);
  await downloadFile(system.url, output_file_id, file);
  return [...counts, ...findProblems(file, lines)];
}

/** Every line ran, and again only for what was killed. */
function checkRuns(runs: readonly string[], { prompts }: RoundLines, kills: number): string[] {
  const counts = new Map<string, number>();
  for (const run of runs) counts.set(run, (counts.get(run) ?? 0) + 1);
  return prompts
    .filter((prompt) => !((counts.get(prompt) ?? 0) >= 1 && (counts.get(prompt) ?? 0) <= 1 + kills))
    .map((prompt) => `'${prompt}' ran ${counts.get(prompt) ?? 0} times, with ${kills} kills`);
}

/** What was recorded before a kill isn't run after it. */
function checkSettled(
  { settled, runsBefore }: Attack,
  { prompts }: RoundLines,
  runs: readonly string[],
): string[] {
  const recorded = new Set([...settled].map((line) => prompts[line - 1] ?? ''));
  const count = (among: readonly string[]): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const run of among) if (recorded.has(run)) counts.set(run, (counts.get(run) ?? 0) + 1);
    return counts;
  };
  const before = count(runsBefore);
  return [...count(runs)]
    .filter(([run, times]) => times > (before.get(run) ?? 0))
    .map(([run]) => `'${run}' was answered before the kill and ran again after it`);
}

/**
 * What does a decode step cost? It should grow with the tokens that its rows attend to, and with nothing else: not with the
 * capacity of the cache, nor with rows that left. `npm run bench:steps -- --kinds q8,i8`
 */
import { parseArgs } from 'node:util';
import { drawProfiles, formatProfile, type Beside, type Growth, type StepProfile } from './steps/figures.js';
import type { Scenario, StepCost } from './steps/step-timer.js';
import type { StepsRequest, StepsResult } from './steps/steps-process.js';
import { commandLine, wholeNumber } from './support/arguments.js';
import { startBareProcess, type BareProcess } from './support/bare-process.js';
import { plural } from './support/plural.js';
import { keepResult, report } from './support/report.js';
import { median } from './support/statistics.js';
import { KINDS, chooseSubjects, type Subject } from './throughput/subjects.js';

const ROW_COUNTS = [1, 4, 8, 16];
const LENGTHS = [16, 128, 256, 512, 900];
/** Enough for the most rows at their longest, and the steps in between. */
const GROWTH_TOKENS = 16 * 1024;
const STEPS = 15;

const PLAIN: Scenario = { rows: Array.from({ length: 8 }, () => 256) };
/** Enough for every scenario. */
const SCENARIO_TOKENS = 8 * 1024;
const LARGER = 4;

const SCENARIOS: readonly { readonly title: string; readonly scenario: Scenario }[] = [
  {
    title: 'of 32 to 624 tokens, as many together',
    scenario: { rows: [32, 64, 128, 192, 256, 320, 432, 624] },
  },
  { title: 'after 8 more that decoded with them left', scenario: { ...PLAIN, left: PLAIN.rows } },
  { title: 'after one of 900 tokens left', scenario: { ...PLAIN, left: [900] } },
  { title: 'while one of 900 tokens keeps its cache', scenario: { ...PLAIN, parked: [900] } },
];

type Timer = BareProcess<StepsRequest, StepsResult>;

/** Starts a process with a cache of its own, and ends it after the work. */
async function withTimer<T>(
  { folder }: Subject,
  cacheTokens: number,
  work: (timer: Timer) => Promise<T>,
): Promise<T> {
  const timer: Timer = startBareProcess(new URL('steps/steps-process.ts', import.meta.url));
  try {
    await timer.ask({ type: 'open', folder, cacheTokens, steps: STEPS });
    await timeScenario(timer, PLAIN); // warm-up
    return await work(timer);
  } finally {
    await timer.stop();
  }
}

async function timeScenario(timer: Timer, scenario: Scenario): Promise<number> {
  const [cost] = await timer.ask({ type: 'scenario', scenario });
  return cost?.ms ?? Number.NaN;
}

/** Every number of rows in every round; of each length the median over the rounds. */
async function measureGrowth(subject: Subject, rounds: number): Promise<Growth[]> {
  return withTimer(subject, GROWTH_TOKENS, async (timer) => {
    const measured = ROW_COUNTS.map((rows) => ({ rows, rounds: [] as StepsResult[] }));
    for (let round = 1; round <= rounds; round++) {
      for (const { rows, rounds: own } of measured) {
        process.stderr.write(`${subject.name}: ${plural(rows, 'row')}, round ${round} of ${rounds}\n`);
        own.push(await timer.ask({ type: 'growing', rows, lengths: LENGTHS }));
      }
    }
    return measured.map(({ rows, rounds: own }) => ({ rows, costs: mediansOf(own) }));
  });
}

/** Every round attends to the same numbers of tokens. */
function mediansOf([first = [], ...others]: readonly StepsResult[]): StepCost[] {
  return first.map(({ attended, ms }, i) => {
    const all = [ms, ...others.flatMap((round) => round[i]?.ms ?? [])];
    return { attended, ms: median(all) };
  });
}

/** Scenario and plain rows take turns. */
async function measureBeside(subject: Subject, rounds: number): Promise<Beside[]> {
  return withTimer(subject, SCENARIO_TOKENS, async (timer) => {
    const beside: Beside[] = [];
    for (const { title, scenario } of SCENARIOS) {
      process.stderr.write(`${subject.name}: ${title}\n`);
      beside.push(
        await takeTurns(
          title,
          rounds,
          () => timeScenario(timer, scenario),
          () => timeScenario(timer, PLAIN),
        ),
      );
    }
    const larger = await withTimer(subject, LARGER * SCENARIO_TOKENS, (large) =>
      takeTurns(
        `in a cache ${LARGER} times as large`,
        rounds,
        () => timeScenario(large, PLAIN),
        () => timeScenario(timer, PLAIN),
      ),
    );
    return [...beside, larger];
  });
}

async function takeTurns(
  title: string,
  rounds: number,
  timeOne: () => Promise<number>,
  timePlain: () => Promise<number>,
): Promise<Beside> {
  const scenario: number[] = [];
  const plain: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    plain.push(await timePlain());
    scenario.push(await timeOne());
  }
  return { title, plain, scenario };
}

const { values } = parseArgs({
  options: {
    kinds: { type: 'string', default: KINDS.join(',') },
    model: { type: 'string', default: '135m' },
    rounds: { type: 'string', default: '3' },
  },
});
const rounds = wholeNumber('rounds', values.rounds);
const profiles: StepProfile[] = [];
for (const subject of await chooseSubjects(values.model, values.kinds)) {
  const growth = await measureGrowth(subject, rounds);
  profiles.push({
    title: subject.title,
    growth,
    beside: await measureBeside(subject, rounds),
  });
}
const name = values.model === 'tales' ? 'steps-tales' : 'steps';
keepResult(`${name}.svg`, drawProfiles(profiles));
report({
  name,
  title: 'What a decode step costs',
  command: commandLine('bench:steps', process.argv.slice(2)),
  intro: [
    'Decode steps of the session that Resident runs, without the engine around it: one token for each row, and the largest of',
    `its logits. Medians of ${STEPS} steps, and of ${plural(rounds, 'round')}. The cost of a step should be that of its rows and of the tokens that they attend`,
    `to, whatever else was or is in the cache: a line is fitted to the steps of each number of rows. What stands beside 8 rows`,
    `by themselves took turns with them; lengths are those before the steps.`,
  ].join(' '),
  body: profiles.map(formatProfile).join('\n\n'),
});

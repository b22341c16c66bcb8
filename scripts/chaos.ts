/**
 * Kills servers, engines, Redis and Postgres at random moments of batches, round after round, and looks whether every line is
 * answered once: `npm run chaos -- --rounds 30 --lines 2000 --seed 7 --only sqlite,shared`. Exits with 1 if anything is wrong.
 */
import { parseArgs } from 'node:util';
import { chooseAmong, commandLine, wholeNumber } from '../bench/support/arguments.js';
import { formatTable, type Column } from '../bench/support/markdown-table.js';
import { plural } from '../bench/support/plural.js';
import { report } from '../bench/support/report.js';
import { median, sum } from '../bench/support/statistics.js';
import { VICTIMS, type Victim } from '../test/support/batch-chaos/attacks.js';
import { runCampaign, type Campaign } from '../test/support/batch-chaos/campaign.js';
import type { KillReport, RoundReport } from '../test/support/batch-chaos/round.js';
import type { ScriptedEngine } from '../test/support/batch-chaos/system.js';
import { buildScriptedServer } from '../test/support/build.js';
import { HAS_POSTGRES } from '../test/support/postgres.js';
import { HAS_REDIS } from '../test/support/redis.js';
import { INSTALL_SERVICES } from '../test/support/service-process.js';

const SUBJECTS = ['sqlite', 'embedded', 'shared'] as const;
type Subject = (typeof SUBJECTS)[number];

/** A batch of 2,000 lines takes five seconds by itself, and a kill finds chunks of which a part is recorded. */
const ENGINE: ScriptedEngine = { latencyMs: 150, jitter: 0.9, rows: 64 };
/** Rounds and lines with the real model are so many times fewer. */
const EMBEDDED_SHARE = 5;
const RESUME_WITHIN_S = 10;

interface Result {
  readonly title: string;
  readonly reports: readonly RoundReport[];
}

function titleOf(subject: Subject): string {
  switch (subject) {
    case 'sqlite':
      return 'One server on SQLite, scripted engine';
    case 'embedded':
      return 'One server on SQLite, the embedded model';
    case 'shared':
      return 'Two servers on one Postgres and one Redis, scripted engines';
    default:
      return subject satisfies never;
  }
}

function campaignOf(subject: Subject, rounds: number, lines: number, seed: string): Campaign {
  const alone = ['server', 'engine', 'server twice'] as const;
  switch (subject) {
    case 'sqlite':
      return {
        shape: { storage: 'sqlite', servers: 1, engine: ENGINE },
        rounds,
        lines,
        victims: alone,
        seed,
      };
    case 'embedded':
      return {
        shape: { storage: 'sqlite', servers: 1, engine: 'embedded' },
        rounds: Math.ceil(rounds / EMBEDDED_SHARE),
        lines: Math.ceil(lines / EMBEDDED_SHARE),
        victims: alone,
        seed,
      };
    case 'shared':
      return {
        shape: { storage: 'shared', servers: 2, engine: ENGINE },
        rounds,
        lines,
        victims: VICTIMS,
        seed,
      };
    default:
      return subject satisfies never;
  }
}

interface VictimRow {
  readonly victim: Victim;
  /** Seconds until the work went on, of kills while the batch ran. */
  readonly resumed: readonly number[];
  /** Seconds until it was up again. */
  readonly up: readonly number[];
  readonly afterwards: number;
}

const COLUMNS: readonly Column<VictimRow>[] = [
  { title: 'killed', cell: ({ victim }) => victim },
  { title: 'while a batch ran', align: 'right', cell: ({ resumed }) => String(resumed.length) },
  { title: 'as it ended', align: 'right', cell: ({ afterwards }) => String(afterwards) },
  { title: 'resumed, median s', align: 'right', cell: ({ resumed }) => figure(resumed, median) },
  {
    title: 'longest s',
    align: 'right',
    cell: ({ resumed }) => figure(resumed, longestOf),
  },
  {
    title: 'itself up again, median s',
    align: 'right',
    cell: (row) => figure(isRestartedHere(row) ? row.up : [], median),
  },
  {
    title: 'longest s',
    align: 'right',
    cell: (row) => figure(isRestartedHere(row) ? row.up : [], longestOf),
  },
];

function longestOf(values: readonly number[]): number {
  return Math.max(...values);
}

/** Engines are restarted by their servers. */
function isRestartedHere({ victim }: VictimRow): boolean {
  return victim !== 'engine';
}

function figure(values: readonly number[], of: (values: readonly number[]) => number): string {
  return values.length === 0 ? '-' : of(values).toFixed(1);
}

function formatResult({ title, reports }: Result): string {
  const kills = reports.flatMap((round) => round.kills);
  const rows = VICTIMS.map((victim) => rowOf(victim, kills)).filter(
    ({ resumed, afterwards }) => resumed.length + afterwards > 0,
  );
  const longest = Math.max(0, ...rows.flatMap(({ resumed }) => resumed));
  const lines = sum(reports.map((round) => round.lines));
  const wrong = reports.filter(({ problems }) => problems.length > 0);
  const again = reports.every(({ runsAgain }) => runsAgain !== undefined)
    ? `${sum(reports.map(({ runsAgain = 0 }) => runsAgain))} runs were lost in flight and done again`
    : 'runs were not counted';
  return [
    `## ${title}`,
    formatTable(COLUMNS, rows),
    [
      `- ${plural(reports.length, 'round')}, ${plural(kills.length, 'kill')}, ${lines} lines: ${again}.`,
      `- Every line answered once, rightly and in order, none run again whose answer was recorded: ${wrong.length === 0 ? 'met' : `**not met** in ${plural(wrong.length, 'round')}`}.`,
      `- Resumed within ${RESUME_WITHIN_S} s: ${longest <= RESUME_WITHIN_S ? 'met' : '**not met**'}, the longest took ${longest.toFixed(1)} s.`,
      ...wrong.flatMap(({ name, problems }) => problems.map((problem) => `- ${name}: ${problem}`)),
    ].join('\n'),
  ].join('\n\n');
}

function rowOf(victim: Victim, kills: readonly KillReport[]): VictimRow {
  const ours = kills.filter((kill) => kill.victim === victim);
  const resumed = ours.flatMap(({ resumedMs }) => (resumedMs === undefined ? [] : [resumedMs / 1000]));
  const up = ours.map(({ upMs }) => upMs / 1000);
  return { victim, resumed, up, afterwards: ours.length - resumed.length };
}

function tell(subject: Subject, { name, seconds, kills, runsAgain, problems }: RoundReport): void {
  const killed = kills.map(
    ({ victim, moment, resumedMs, upMs }) =>
      `${victim} at ${typeof moment === 'number' ? `${Math.round(moment * 100)} %` : moment}${resumedMs === undefined ? '' : `, on again after ${(resumedMs / 1000).toFixed(1)} s (up after ${(upMs / 1000).toFixed(1)} s)`}`,
  );
  process.stderr.write(
    `${subject} ${name}: ${seconds.toFixed(1)} s; ${killed.join('; ') || 'nothing killed'}; ${runsAgain ?? '?'} runs again; ${problems.join('; ') || 'all well'}\n`,
  );
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '30' },
    lines: { type: 'string', default: '2000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    only: { type: 'string', default: SUBJECTS.join(',') },
  },
});
const [rounds, lines] = [wholeNumber('rounds', values.rounds), wholeNumber('lines', values.lines)];
const skipped: string[] = [];
const subjects = chooseAmong('only', values.only, SUBJECTS).filter((subject) => {
  if (subject !== 'shared' || (HAS_POSTGRES && HAS_REDIS)) return true;
  skipped.push(`## ${titleOf(subject)}\n\nSkipped: Postgres and Redis are missing (${INSTALL_SERVICES}).`);
  return false;
});
await buildScriptedServer();
process.stderr.write(`seed ${values.seed}\n`);
async function measure(subject: Subject): Promise<Result> {
  const campaign = campaignOf(subject, rounds, lines, values.seed);
  const reports = await runCampaign(campaign, (round) => tell(subject, round));
  return { title: titleOf(subject), reports };
}

// at the same time: most of it is waiting for leases to run out; the real model wants the machine for itself
const results = await Promise.all(subjects.filter((subject) => subject !== 'embedded').map(measure));
if (subjects.includes('embedded')) results.push(await measure('embedded'));
report({
  name: 'chaos',
  title: 'Batches, and whatever runs them killed',
  command: commandLine('chaos', process.argv.slice(2)),
  intro: [
    `Seed ${values.seed}. Each round is a batch over the REST API, and one or two kills with SIGKILL (Postgres: an immediate stop) at random`,
    'moments: a share of its answered lines, while it is validated, or while its output is written. A server that was killed is',
    'started again, alone at once, of two within 3 s, as are Redis (which keeps nothing) and Postgres; an engine is restarted by its server.',
    'The systems with scripted engines run at the same time. Resumed: from the kill until what was lost is worked on again, the start of what was killed included.',
  ].join(' '),
  body: [...results.map(formatResult), ...skipped].join('\n\n'),
});
if (results.some(({ reports }) => reports.some(({ problems }) => problems.length > 0))) process.exitCode = 1;

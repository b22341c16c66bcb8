import { formatTable, type Column } from '../support/markdown-table.js';
import { plural } from '../support/plural.js';
import { PROMPT_TOKENS } from './plan.js';
import {
  WORKLOADS,
  type SubjectResult,
  type SystemName,
  type ThroughputResult,
  type WorkloadName,
} from './results.js';
import { compareTexts, summarizeCell, type Row } from './summary.js';
import { judge, type Verdict } from './targets.js';

export const LABELS: Readonly<Record<SystemName, string>> = {
  naive: 'naive',
  resident: 'Resident',
  raw: 'raw ceiling',
  llama: 'node-llama-cpp',
};

const NUMBERS: readonly Column<Row>[] = [
  {
    title: 'tok/s',
    align: 'right',
    cell: ({ tokensPerSecond }) => tokensPerSecond.toFixed(0),
  },
  {
    title: 'min-max',
    align: 'right',
    cell: ({ rounds, slowest, fastest }) =>
      rounds > 1 ? `${slowest.toFixed(0)}-${fastest.toFixed(0)}` : '-',
  },
  { title: 'decode tok/s', align: 'right', cell: (row) => fixed(row.decodeTokensPerSecond, 0) },
  { title: 'x naive', align: 'right', cell: ({ timesNaive }) => fixed(timesNaive, 2) },
  { title: 'of raw', align: 'right', cell: ({ shareOfRaw }) => percent(shareOfRaw) },
  { title: 'TTFT p50 ms', align: 'right', cell: ({ ttft }) => fixed(ttft?.p50, 0) },
  { title: 'TTFT p99 ms', align: 'right', cell: ({ ttft }) => fixed(ttft?.p99, 0) },
  { title: 'inter-token p50 ms', align: 'right', cell: ({ interToken }) => fixed(interToken?.p50, 1) },
  { title: 'inter-token p99 ms', align: 'right', cell: ({ interToken }) => fixed(interToken?.p99, 1) },
  { title: 'health p99 ms', align: 'right', cell: ({ health }) => fixed(health?.p99, 1) },
  { title: 'rounds', align: 'right', cell: ({ rounds }) => String(rounds) },
];

const SYSTEM: Column<Row> = { title: 'system', cell: ({ system }) => LABELS[system] };
const CONCURRENCY: Column<Row> = {
  title: 'concurrency',
  align: 'right',
  cell: ({ concurrency }) => String(concurrency),
};

/** The report's introduction: what was run, and how to read it. */
export function formatIntro({ rounds, newTokens }: ThroughputResult): string {
  const rules = [
    '**naive** is a Transformers.js pipeline, loaded once, in the process that also answers HTTP (`bench/naive-server.ts`): every request goes straight to it. **Resident** is the server as it is shipped. Both stream to the same client in a process of its own. The **raw ceiling** is a bare loop over the session that Resident runs, at the same batch size: no scheduler, no sampler, no detokenizer, no HTTP. **node-llama-cpp** (with `--peers`) decodes as many sequences at a time without a server, on random weights of the same shape in Q8_0.',
    `All but the last run the same weights; those of the 135M shape are made by \`bench/model\` and random, because speed doesn't depend on them. Every generation is greedy and goes on to its full length (${newTokens} tokens; an end of sequence is ignored). Every prompt is the same for all systems, and differs from every other prompt of the run from its first words on: no cache of prefixes helps.`,
    `All systems are up all the time and take turns, load by load, for ${plural(rounds, 'round')} (fewer where a system takes long); a warm-up is left out. Figures are medians over the rounds, a percentile being that of a round. tok/s counts new tokens from the first request to the end of the last answer, prefill included. TTFT is from the request to its first token. \`GET /health/live\` is probed 50 times a second meanwhile, timed from when each probe was due. Servers, client and probes share the machine.`,
  ];
  return rules.join('\n\n');
}

/** Everything that was measured, model by model. */
export function formatResult(result: ThroughputResult): string {
  return result.subjects.map((subject) => formatSubject(subject, result)).join('\n\n');
}

function formatSubject(subject: SubjectResult, result: ThroughputResult): string {
  const rows = subject.cells.flatMap(summarizeCell);
  const workloads = WORKLOADS.filter((workload) => rows.some((row) => row.workload === workload));
  return [
    `## ${subject.title}`,
    ...formatTargets(rows, workloads),
    ...workloads.flatMap((workload) => [
      `### ${titleOf(workload, result)}`,
      formatWorkload(
        rows.filter((row) => row.workload === workload),
        workload,
      ),
    ]),
    formatFacts(subject),
  ].join('\n\n');
}

function formatTargets(rows: readonly Row[], workloads: readonly WorkloadName[]): string[] {
  const judged = workloads
    .filter((workload) => workload !== 'mixed')
    .map((workload) => ({ workload, verdicts: judge(rows.filter((row) => row.workload === workload)) }));
  const targets = judged[0]?.verdicts.map(({ target }) => target) ?? [];
  if (targets.length === 0) return [];
  const columns: Column<string>[] = [
    { title: 'target for Resident', cell: (target) => target },
    ...judged.map(({ workload, verdicts }): Column<string> => ({
      title: `${PROMPT_TOKENS[workload]}-token prompts`,
      cell: (target) => formatVerdict(verdicts.find((verdict) => verdict.target === target)),
    })),
  ];
  return ['### Targets', formatTable(columns, targets)];
}

function formatVerdict(verdict: Verdict | undefined): string {
  if (verdict?.measured === undefined) return 'not measured';
  return `${verdict.measured}: ${verdict.met === true ? 'met' : '**not met**'}`;
}

function titleOf(workload: WorkloadName, { newTokens, mixed }: ThroughputResult): string {
  if (workload !== 'mixed') return `Prompts of ${PROMPT_TOKENS[workload]} tokens, ${newTokens} new tokens`;
  return (
    `Mixed lengths over time: ${mixed.requests} requests, ${mixed.perSecond} a second at random, ` +
    `prompts of ${mixed.promptTokens.join('-')} tokens, ${mixed.newTokens.join('-')} new tokens`
  );
}

function formatWorkload(rows: readonly Row[], workload: WorkloadName): string {
  const first = workload === 'mixed' ? [SYSTEM] : [CONCURRENCY, SYSTEM];
  return formatTable([...first, ...NUMBERS], rows);
}

function formatFacts({ kind, cells, memory, absent, machineBusyIdle }: SubjectResult): string {
  const { same, compared } = compareTexts(cells, 'naive', 'resident');
  const memories = Object.entries(memory).map(
    ([system, bytes]) => `${LABELS[system as SystemName]} ${(bytes / 1e6).toFixed(0)} MB`,
  );
  const lateness = cells.flatMap(({ samples }) =>
    (samples.resident ?? []).map(({ probeLateness }) => probeLateness?.p99 ?? 0),
  );
  const facts = [
    `Resident memory of all processes of a system at the end: ${memories.join(', ')}.`,
    ...(compared > 0
      ? [`Resident and naive answered with the same text: ${same} of ${compared} requests.${textNote(kind)}`]
      : []),
    ...(lateness.length > 0
      ? [
          `The probes of Resident left up to ${Math.max(...lateness).toFixed(1)} ms late (p99 of a round), which their latency includes.`,
        ]
      : []),
    `While no system worked the machine was ${(machineBusyIdle * 100).toFixed(0)} % busy.`,
    ...Object.entries(absent).map(
      ([system, reason]) => `${LABELS[system as SystemName]} is not in the comparison: ${reason}.`,
    ),
  ];
  return facts.map((fact) => `- ${fact}`).join('\n');
}

/** Why texts may differ although the weights are the same. */
function textNote(kind: string): string {
  return kind === 'i8'
    ? ' (This kind of graph quantises the activations of all rows with one scale: a text depends on what shares its steps.)'
    : '';
}

function fixed(value: number | undefined, digits: number): string {
  return value === undefined || !Number.isFinite(value) ? '-' : value.toFixed(digits);
}

function percent(value: number | undefined): string {
  return value === undefined ? '-' : `${(value * 100).toFixed(0)} %`;
}

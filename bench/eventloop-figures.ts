import { formatTable, type Column } from './support/markdown-table.js';
import { median, percentile, sum } from './support/statistics.js';

/** One stretch of probing. */
export interface Period {
  /** What was generated meanwhile. */
  readonly completions: readonly { readonly text: string; readonly tokens: number }[];
  readonly elapsed: number;
  readonly latencies: readonly number[];
  readonly lateness: readonly number[];
  /** Share of all cores' time, 0 to 1. */
  readonly machineBusy: number;
}

/** One server over all rounds. */
export interface Series {
  readonly server: string;
  readonly idle: Period[];
  readonly generating: Period[];
}

export interface Comparison {
  readonly resident: Series;
  readonly naive: Series;
}

interface Row {
  readonly label: string;
  readonly periods: readonly Period[];
}

const COLUMNS: readonly Column<Row>[] = [
  { title: 'server', cell: ({ label }) => label },
  { title: 'generated tokens', align: 'right', cell: ({ periods }) => orDash(sum(periods.map(tokensOf)), 0) },
  {
    title: 'tok/s (median)',
    align: 'right',
    cell: ({ periods }) =>
      orDash(median(periods.map((period) => (tokensOf(period) / period.elapsed) * 1000)), 0),
  },
  { title: 'probes', align: 'right', cell: ({ periods }) => String(latenciesOf(periods).length) },
  ...[50, 95, 99].map((percent): Column<Row> => latencyColumn(`health p${percent} ms`, percent)),
  latencyColumn('max ms', 100),
];

function latencyColumn(title: string, percent: number): Column<Row> {
  return {
    title,
    align: 'right',
    cell: ({ periods }) => percentile(latenciesOf(periods), percent).toFixed(1),
  };
}

/** The table of one load, and what follows from it. */
export function formatComparison({ resident, naive }: Comparison, targetP99: number): string {
  const rows = [resident, naive].flatMap(({ server, idle, generating }): Row[] => [
    { label: `${server}, idle`, periods: idle },
    { label: `${server}, generating`, periods: generating },
  ]);
  const facts = [
    ratioFact(resident, naive),
    targetFact(resident, targetP99),
    textFact(resident, naive),
    lateFact(resident, naive),
    busyFact([resident, naive]),
  ];
  return `${formatTable(COLUMNS, rows)}\n\n${facts.map((fact) => `- ${fact}`).join('\n')}`;
}

function ratioFact(resident: Series, naive: Series): string {
  const ratio = p99Of(naive.generating) / p99Of(resident.generating);
  return `Health p99 while generating, naive / Resident: ${ratio.toFixed(1)}.`;
}

function targetFact({ generating }: Series, target: number): string {
  const held = generating.filter((period) => p99Of([period]) < target).length;
  const verdict = p99Of(generating) < target ? 'yes' : 'no';
  return `Resident's p99 under ${target} ms: ${verdict}; taken alone, in ${held} of ${generating.length} rounds.`;
}

function textFact(resident: Series, naive: Series): string {
  const texts = new Set(
    [...resident.generating, ...naive.generating].map(({ completions }) =>
      JSON.stringify(completions.map(({ text }) => text)),
    ),
  );
  return `Both generated the same text in every round: ${texts.size === 1 ? 'yes' : 'no'}.`;
}

/** The probes compete with the engine for the cores: this part of their latency isn't the server's. */
function lateFact(resident: Series, naive: Series): string {
  const [ours, theirs] = [resident, naive].map(({ generating }) => {
    const sinceSent = generating.flatMap(({ latencies, lateness }) =>
      latencies.map((latency, i) => latency - (lateness[i] ?? 0)),
    );
    return percentile(sinceSent, 99).toFixed(1);
  });
  const late = percentile(
    [resident, naive].flatMap(({ generating }) => generating.flatMap(({ lateness }) => lateness)),
    99,
  );
  return (
    `While one generated, the probes left ${late.toFixed(1)} ms late (p99), which the table includes. Timed from when they left, ` +
    `p99 is ${ours} ms for Resident and ${theirs} ms for naive.`
  );
}

/** Tells a quiet machine from a busy one. */
function busyFact(all: readonly Series[]): string {
  const busy = all.flatMap(({ idle }) => idle.map(({ machineBusy }) => machineBusy * 100));
  return `While both were idle the machine was ${median(busy).toFixed(0)} % busy (median; most: ${Math.max(...busy).toFixed(0)} %).`;
}

function tokensOf({ completions }: Period): number {
  return sum(completions.map(({ tokens }) => tokens));
}

function latenciesOf(periods: readonly Period[]): number[] {
  return periods.flatMap(({ latencies }) => latencies);
}

function p99Of(periods: readonly Period[]): number {
  return percentile(latenciesOf(periods), 99);
}

function orDash(value: number, digits: number): string {
  return value === 0 ? '-' : value.toFixed(digits);
}

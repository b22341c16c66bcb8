import { formatTable, type Column } from '../support/markdown-table.js';
import { median, percentile } from '../support/statistics.js';
import type { BareSpeeds } from './bare.js';
import type { EmbeddingRound } from './embedding-load.js';

/** All rounds of one server. */
export interface EmbeddingSeries {
  readonly label: string;
  readonly rounds: readonly EmbeddingRound[];
}

const COLUMNS: readonly Column<EmbeddingSeries>[] = [
  { title: 'server', cell: ({ label }) => label },
  { title: 'texts/s', align: 'right', cell: (series) => textsPerSecond(series).toFixed(1) },
  { title: 'p50 ms', align: 'right', cell: (series) => latency(series, 50).toFixed(0) },
  { title: 'p99 ms', align: 'right', cell: (series) => latency(series, 99).toFixed(0) },
  { title: 'health p99 ms', align: 'right', cell: (series) => healthP99(series).toFixed(1) },
];

/** The table of one model, and what follows from it. */
export function formatEmbeddings(
  naive: EmbeddingSeries,
  resident: EmbeddingSeries,
  bare: BareSpeeds,
): string {
  const ratios = resident.rounds.map((round, i) => {
    const other = naive.rounds[i];
    return other ? speedOf(round) / speedOf(other) : Number.NaN;
  });
  const facts = [
    `Texts per second, Resident / naive, by round: ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')}; median **${median(ratios).toFixed(2)}**.`,
    `The bare session, without a server: ${bare.alone.toFixed(1)} texts/s one by one, ${bare.batched.toFixed(1)} in sorted batches (${(bare.batched / bare.alone).toFixed(2)} times).`,
    `Health p99, naive / Resident: ${(healthP99(naive) / healthP99(resident)).toFixed(1)}.`,
  ];
  return `${formatTable(COLUMNS, [naive, resident])}\n\n${facts.map((fact) => `- ${fact}`).join('\n')}`;
}

function textsPerSecond({ rounds }: EmbeddingSeries): number {
  return median(rounds.map(speedOf));
}

function speedOf({ texts, elapsed }: EmbeddingRound): number {
  return texts / (elapsed / 1000);
}

/** The median of the rounds' own. */
function latency({ rounds }: EmbeddingSeries, percent: number): number {
  return median(rounds.map(({ latencies }) => percentile(latencies, percent)));
}

function healthP99({ rounds }: EmbeddingSeries): number {
  return median(rounds.map(({ health }) => percentile(health, 99)));
}

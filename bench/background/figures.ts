import { formatTable, type Column } from '../support/markdown-table.js';
import { median, percentile } from '../support/statistics.js';

/** Interactive requests of one prompt length: how long each waited for its first token, in milliseconds. */
export interface Waiting {
  readonly promptTokens: number;
  readonly ttfts: readonly number[];
}

/** One round on a server of its own. */
export interface BackgroundRound {
  readonly idle: readonly Waiting[];
  /** With the batch, few requests. */
  readonly light: readonly Waiting[];
  /** With the batch, many requests. */
  readonly busy: readonly Waiting[];
  /** What the batch made by itself, while few requests came and while many did: tokens per second. */
  readonly batchAlone: number;
  readonly batchBesideFew: number;
  readonly batchBeside: number;
}

interface Row {
  readonly promptTokens: number;
  readonly requests: 'many' | 'few';
  readonly idle: readonly number[];
  readonly busy: readonly number[];
}

const TARGET_RATIO = 1.5;
const TARGET_SHARE = 0.7;

const COLUMNS: readonly Column<Row>[] = [
  { title: 'prompt tokens', align: 'right', cell: ({ promptTokens }) => String(promptTokens) },
  { title: 'requests', align: 'right', cell: ({ busy, requests }) => `${requests}: ${busy.length}` },
  ...[50, 95].flatMap((percent): Column<Row>[] => [
    {
      title: `idle p${percent} ms`,
      align: 'right',
      cell: ({ idle }) => percentile(idle, percent).toFixed(1),
    },
    {
      title: `with the batch p${percent} ms`,
      align: 'right',
      cell: ({ busy }) => percentile(busy, percent).toFixed(1),
    },
  ]),
  { title: 'p95, ratio', align: 'right', cell: (row) => p95Ratio(row).toFixed(2) },
  {
    title: `at most ${TARGET_RATIO}`,
    cell: (row) => (p95Ratio(row) <= TARGET_RATIO ? 'met' : '**not met**'),
  },
];

/** The table of one model, and how far the batch came meanwhile. */
export function formatBackground(rounds: readonly BackgroundRound[]): string {
  const alone = median(rounds.map(({ batchAlone }) => batchAlone));
  const few = median(rounds.map(({ batchBesideFew }) => batchBesideFew));
  const many = median(rounds.map(({ batchBeside }) => batchBeside));
  const percent = (rate: number): string => `${((rate / alone) * 100).toFixed(0)} %`;
  const verdict = few / alone >= TARGET_SHARE ? 'met' : '**not met**';
  return [
    formatTable(COLUMNS, toRows(rounds)),
    [
      `- The batch made ${alone.toFixed(0)} tok/s by itself; beside few requests ${few.toFixed(0)} (${percent(few)}; at least ${TARGET_SHARE * 100} %: ${verdict}),`,
      `  beside many ${many.toFixed(0)} (${percent(many)}; medians).`,
    ].join('\n'),
  ].join('\n\n');
}

/** The requests of all rounds, by prompt length. */
function toRows(rounds: readonly BackgroundRound[]): Row[] {
  const idle = rounds.flatMap((round) => round.idle);
  const rowsOf = (requests: Row['requests'], busy: readonly Waiting[]): Row[] =>
    [...new Set(busy.map(({ promptTokens }) => promptTokens))].map((promptTokens) => ({
      promptTokens,
      requests,
      idle: pool(idle, promptTokens),
      busy: pool(busy, promptTokens),
    }));
  return [
    ...rowsOf(
      'many',
      rounds.flatMap((round) => round.busy),
    ),
    ...rowsOf(
      'few',
      rounds.flatMap((round) => round.light),
    ),
  ];
}

function pool(waiting: readonly Waiting[], length: number): number[] {
  return waiting.filter(({ promptTokens }) => promptTokens === length).flatMap(({ ttfts }) => ttfts);
}

function p95Ratio({ idle, busy }: Row): number {
  return percentile(busy, 95) / percentile(idle, 95);
}

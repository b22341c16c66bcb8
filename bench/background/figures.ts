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
  readonly busy: readonly Waiting[];
  /** What the batch made by itself, and while the requests came. */
  readonly batchAlone: number;
  readonly batchBeside: number;
}

interface Row {
  readonly promptTokens: number;
  readonly idle: readonly number[];
  readonly busy: readonly number[];
}

const TARGET_RATIO = 1.5;

const COLUMNS: readonly Column<Row>[] = [
  { title: 'prompt tokens', align: 'right', cell: ({ promptTokens }) => String(promptTokens) },
  { title: 'requests', align: 'right', cell: ({ busy }) => String(busy.length) },
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
  const beside = median(rounds.map(({ batchBeside }) => batchBeside));
  const share = ((beside / alone) * 100).toFixed(0);
  return [
    formatTable(COLUMNS, toRows(rounds)),
    `- The batch made ${beside.toFixed(0)} tok/s while the requests came, ${alone.toFixed(0)} tok/s by itself (${share} %; medians).`,
  ].join('\n\n');
}

/** The requests of all rounds, by prompt length. */
function toRows(rounds: readonly BackgroundRound[]): Row[] {
  const lengths = rounds[0]?.idle.map(({ promptTokens }) => promptTokens) ?? [];
  const pool = (periods: readonly (readonly Waiting[])[], length: number): number[] =>
    periods.flatMap((period) =>
      period.filter(({ promptTokens }) => promptTokens === length).flatMap(({ ttfts }) => ttfts),
    );
  return lengths.map((promptTokens) => ({
    promptTokens,
    idle: pool(
      rounds.map(({ idle }) => idle),
      promptTokens,
    ),
    busy: pool(
      rounds.map(({ busy }) => busy),
      promptTokens,
    ),
  }));
}

function p95Ratio({ idle, busy }: Row): number {
  return percentile(busy, 95) / percentile(idle, 95);
}

import { formatTable, type Column } from '../support/markdown-table.js';
import { median, sum } from '../support/statistics.js';
import type { BigBatchFigures } from './big-batch.js';
import type { SharedBatchFigures } from './shared-batch.js';

const MIB = 2 ** 20;
const TARGET_LINES_PER_SECOND = 10_000;
const TARGET_RESIDENT_MB = 400;
const TARGET_GAIN = 1.8;

const BIG_COLUMNS: readonly Column<BigBatchFigures>[] = [
  { title: 'answered', cell: ({ answerer }) => answerer },
  { title: 'lines', align: 'right', cell: ({ lines }) => String(lines) },
  { title: 'upload s', align: 'right', cell: ({ upload }) => upload.toFixed(1) },
  { title: 'run s', align: 'right', cell: ({ run }) => run.toFixed(1) },
  { title: 'download s', align: 'right', cell: ({ download }) => download.toFixed(1) },
  {
    title: 'lines/s, created to completed',
    align: 'right',
    cell: ({ lines, run }) => (lines / run).toFixed(0),
  },
  { title: 'lines/s, end to end', align: 'right', cell: (figures) => endToEnd(figures).toFixed(0) },
  {
    title: 'RSS at most, MiB',
    align: 'right',
    cell: (figures) => (residentAtMost(figures) / MIB).toFixed(0),
  },
  { title: 'input MiB', align: 'right', cell: ({ input }) => (input / MIB).toFixed(0) },
  { title: 'output MiB', align: 'right', cell: ({ output }) => (output / MIB).toFixed(0) },
  { title: 'database at most, MiB', align: 'right', cell: ({ database }) => (database / MIB).toFixed(0) },
  {
    title: 'bytes a line beside the text',
    align: 'right',
    cell: ({ database, output, lines }) => ((database - output) / lines).toFixed(0),
  },
];

export function formatBigBatches(results: readonly BigBatchFigures[]): string {
  const verdicts = results
    .filter(({ answerer }) => answerer === 'in-process')
    .flatMap((figures) => [
      `- At least ${TARGET_LINES_PER_SECOND} lines/s end to end, the model left out: ${verdict(endToEnd(figures) >= TARGET_LINES_PER_SECOND)}.`,
      `- The server stays below ${TARGET_RESIDENT_MB} MB: ${verdict(residentAtMost(figures) < TARGET_RESIDENT_MB * 1e6)} (MiB at most, by what it did: ${[...figures.resident].map(([phase, bytes]) => `${phase} ${(bytes / MIB).toFixed(0)}`).join(', ')}).`,
    ]);
  return [
    formatTable(BIG_COLUMNS, results),
    verdicts.join('\n'),
    [
      '`in-process`: fake models in the process of the server, so that what is measured is all but the model. `engine-process`: a scripted',
      'engine in a process of its own, with the messages between them. The text is that of the output; the database includes its log.',
    ].join('\n'),
  ].join('\n\n');
}

function residentAtMost({ resident }: BigBatchFigures): number {
  return Math.max(...resident.values());
}

function endToEnd({ lines, upload, run, download }: BigBatchFigures): number {
  return lines / (upload + run + download);
}

interface ServersRow {
  readonly servers: number;
  readonly runs: readonly SharedBatchFigures[];
}

const SHARED_COLUMNS: readonly Column<ServersRow>[] = [
  { title: 'servers', align: 'right', cell: ({ servers }) => String(servers) },
  {
    title: 'lines/s',
    align: 'right',
    cell: ({ runs }) => median(runs.map(({ linesPerSecond }) => linesPerSecond)).toFixed(0),
  },
  { title: 'lines of each', cell: ({ runs }) => runs.map((one) => one.runs.join(' + ')).join(', ') },
  { title: 'run twice', align: 'right', cell: ({ runs }) => String(sum(runs.map(({ twice }) => twice))) },
];

export function formatSharedBatches(results: readonly SharedBatchFigures[]): string {
  const counts = [...new Set(results.map(({ servers }) => servers))];
  const rows = counts.map((servers) => ({
    servers,
    runs: results.filter((figures) => figures.servers === servers),
  }));
  const rate = (servers: number): number =>
    median(results.filter((figures) => figures.servers === servers).map((one) => one.linesPerSecond));
  const gain = rate(2) / rate(1);
  return [
    formatTable(SHARED_COLUMNS, rows),
    `- Two servers make ${gain.toFixed(2)} times the lines of one (at least ${TARGET_GAIN}): ${verdict(gain >= TARGET_GAIN)}.`,
  ].join('\n\n');
}

function verdict(met: boolean): string {
  return met ? 'met' : '**not met**';
}

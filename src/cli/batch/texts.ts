import type { Batch } from '../../batch/batch-types.js';
import { hasEnded, type BatchProgress } from '../../batch/batches.service.js';
import type { WorkerRow } from '../../batch/store/workers.repository.js';

/** Columns of the bar. */
const BAR = 20;

export interface Pace {
  readonly answered: number;
  readonly total: number;
  readonly failed: number;
  /** Lines per second; null: not known yet. */
  readonly rate: number | null;
}

/** `[####                ] 200/1000 lines, 20.0%, 45.1 lines/s, 18 s left, 3 failed` */
export function progressBar(pace: Pace): string {
  const full = pace.total === 0 ? 0 : Math.floor((pace.answered / pace.total) * BAR);
  return `[${'#'.repeat(full).padEnd(BAR)}] ${progressText(pace)}`;
}

export function progressText({ answered, total, failed, rate }: Pace): string {
  const parts = [`${answered}/${total} lines`];
  if (total > 0) parts.push(`${((answered / total) * 100).toFixed(1)}%`);
  if (rate !== null) parts.push(`${formatRate(rate)} lines/s`);
  if (rate !== null && rate > 0 && answered < total)
    parts.push(`${formatTime((total - answered) / rate)} left`);
  if (failed > 0) parts.push(`${failed} failed`);
  return parts.join(', ');
}

/** One line for each batch, under a line of titles. */
export function listTable(batches: readonly Batch[]): string {
  if (batches.length === 0) return 'There are no batches yet.\n';
  const rows = batches.map(({ id, status, counts, rate, times, endpoint, input }) => [
    id,
    status,
    `${counts.completed + counts.failed}/${counts.total}`,
    String(counts.failed),
    status === 'in_progress' && rate !== null ? `${formatRate(rate)}/s` : '',
    formatDate(times.createdAt),
    endpoint,
    input.kind === 'file' ? input.fileId : input.path,
  ]);
  const titles = ['id', 'status', 'answered', 'failed', 'rate', 'created', 'endpoint', 'input'];
  const widths = titles.map((title, i) =>
    Math.max(title.length, ...rows.map((row) => (row[i] ?? '').length)),
  );
  return [titles, ...rows]
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}

/** All that an operator wants to know of one batch. */
export function batchText(batch: Batch, progress: BatchProgress, workers: readonly WorkerRow[]): string {
  const { times, counts, input, errors } = batch;
  const ended = times.completedAt ?? times.failedAt ?? times.expiredAt ?? times.cancelledAt;
  const facts: (readonly [name: string, fact: string | null])[] = [
    ['batch', batch.id],
    ['status', batch.status],
    ['endpoint', batch.endpoint],
    ['input', input.kind === 'file' ? input.fileId : input.path],
    ['created', formatDate(times.createdAt)],
    ['begun', dateOrNull(times.inProgressAt)],
    ['ended', dateOrNull(ended)],
    ['expires', ended === null ? dateOrNull(batch.expiresAt) : null],
    ['progress', progressText({ ...counts, ...progress })],
    ...workText(progress),
    ...resultsText(batch),
    ...errors.map(({ code, message }) => ['error', `${code}: ${message}`] as const),
    ['note', progress.chunks && workers.length === 0 ? nobodyRuns(batch.id) : null],
  ];
  return facts
    .filter(([, fact]) => fact !== null)
    .map(([name, fact]) => `${name.padEnd(9)} ${fact}\n`)
    .join('');
}

/** How to go on with a batch that no server works on. */
export function nobodyRuns(id: string): string {
  return `no server runs on this data. The batch goes on when one starts (npm start), or with: npm run batch -- run ${id}`;
}

function workText({ chunks }: BatchProgress): (readonly [string, string])[] {
  if (!chunks) return [];
  return [
    ['chunks', `${chunks.open} open, ${chunks.running} running, ${chunks.done} done`],
    ...chunks.current.map(({ firstLine, lastLine, answered, worker }) => {
      const where = worker.host === null ? '' : ` (${worker.host}, process ${worker.pid})`;
      return [
        'working',
        `lines ${firstLine} to ${lastLine}, ${answered} answered, by ${worker.id}${where}`,
      ] as const;
    }),
  ];
}

function resultsText(batch: Batch): (readonly [string, string])[] {
  const { status, delivery, outputFileId, errorFileId } = batch;
  if (delivery) return hasEnded(status) && status !== 'failed' ? [['results', delivery.results]] : [];
  return [
    ...(outputFileId === null ? [] : [['output', outputFileId] as const]),
    ...(errorFileId === null ? [] : [['failures', errorFileId] as const]),
  ];
}

function formatRate(rate: number): string {
  return rate < 100 ? rate.toFixed(1) : rate.toFixed(0);
}

/** `45 s`, `12 min`, `3 h 20 min` */
function formatTime(seconds: number): string {
  if (seconds < 90) return `${Math.ceil(seconds)} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** To the second, in UTC. */
function formatDate(milliseconds: number): string {
  return `${new Date(milliseconds).toISOString().slice(0, 19).replace('T', ' ')}Z`;
}

function dateOrNull(milliseconds: number | null): string | null {
  return milliseconds === null ? null : formatDate(milliseconds);
}

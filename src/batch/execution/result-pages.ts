import type { LineCounts } from '../batch-types.js';
import type { ResultsRepository } from '../store/results.repository.js';

/** Lines that a query looks at, and results of one: few enough that it doesn't hold the thread. */
const STRETCH = 10_000;
const MOST_ROWS = 256;
const FIRST_ROWS = 16;
/** Characters that a page is to have: where results are long it has fewer of them. */
const PAGE_CHARACTERS = 512 * 1024;

/** What results are counted into. */
export type Counts = { -readonly [Name in keyof Omit<LineCounts, 'total'>]: number };

export interface PagesOf {
  readonly batch: number;
  /** Lines of the batch. */
  readonly total: number;
  /** Only those that failed, or that didn't; default: both. */
  readonly failed?: boolean;
}

/** The results of a batch in the order of its lines, as the bytes of a file. Whatever is given is counted. */
export async function* resultPages(
  results: ResultsRepository,
  { batch, total, failed }: PagesOf,
  counts: Counts,
): AsyncGenerator<Buffer> {
  let limit = FIRST_ROWS;
  for (let after = 0; after < total;) {
    const lines = Math.min(STRETCH, total - after);
    const page = await results.page(batch, { after, lines, limit, failed });
    const last = page.at(-1);
    after = last && page.length === limit ? last.line : after + lines;
    if (!last) continue;
    const text = page.map(({ body }) => `${body}\n`).join('');
    for (const result of page) counts[result.failed ? 'failed' : 'completed']++;
    limit = nextLimit(limit, text.length / page.length);
    yield Buffer.from(text);
  }
}

/** @param average characters of a result of late */
function nextLimit(limit: number, average: number): number {
  const fitting = Math.floor(PAGE_CHARACTERS / average);
  return Math.max(1, Math.min(2 * limit, MOST_ROWS, fitting));
}

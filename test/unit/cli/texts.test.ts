import { describe, expect, it } from 'vitest';
import type { Batch } from '../../../src/batch/batch-types.js';
import type { BatchProgress } from '../../../src/batch/batches.service.js';
import { ProgressDisplay } from '../../../src/cli/batch/progress-display.js';
import { batchText, listTable, progressBar, progressText } from '../../../src/cli/batch/texts.js';

const BATCH: Batch = {
  seq: 1,
  id: 'batch_1',
  endpoint: '/v1/completions',
  lineFormat: 'flat',
  input: { kind: 'path', path: '/data/night.jsonl', version: '1' },
  completionWindow: 'none',
  metadata: null,
  expiresAt: null,
  status: 'in_progress',
  ending: 'completed',
  errors: [],
  plainKey: null,
  counts: { total: 1000, completed: 190, failed: 10 },
  usage: { promptTokens: 0, cachedTokens: 0, completionTokens: 0 },
  model: null,
  outputExpiresSeconds: null,
  delivery: { temporary: 't', complete: 'c', results: '/data/night.results.jsonl', done: null },
  scheduleId: null,
  outputFileId: null,
  errorFileId: null,
  rate: 4.5,
  times: {
    createdAt: Date.UTC(2026, 0, 2, 3, 4, 5),
    inProgressAt: Date.UTC(2026, 0, 2, 3, 4, 6),
    finalizingAt: null,
    completedAt: null,
    failedAt: null,
    expiredAt: null,
    cancellingAt: null,
    cancelledAt: null,
  },
};
const PROGRESS: BatchProgress = {
  answered: 200,
  rate: 4.5,
  etaSeconds: 178,
  chunks: {
    open: 7,
    running: 1,
    done: 2,
    current: [{ firstLine: 201, lastLine: 300, answered: 0, worker: { id: 'w', host: 'host', pid: 4711 } }],
  },
};
const OVER: BatchProgress = { answered: 1000, rate: null, etaSeconds: null, chunks: null };
const WORKER = { id: 'w', host: 'host', pid: 4711, started_at: 0, seen_at: 0 };

describe('progress', () => {
  it.each([
    [{ answered: 0, total: 0, failed: 0, rate: null }, '0/0 lines'],
    [{ answered: 0, total: 8, failed: 0, rate: null }, '0/8 lines, 0.0%'],
    [{ answered: 2, total: 8, failed: 1, rate: 0.5 }, '2/8 lines, 25.0%, 0.5 lines/s, 12 s left, 1 failed'],
    [{ answered: 0, total: 9000, failed: 0, rate: 0 }, '0/9000 lines, 0.0%, 0.0 lines/s'],
    [{ answered: 1, total: 901, failed: 0, rate: 1 }, '1/901 lines, 0.1%, 1.0 lines/s, 15 min left'],
    [{ answered: 0, total: 12_000, failed: 0, rate: 1 }, '0/12000 lines, 0.0%, 1.0 lines/s, 3 h 20 min left'],
    [{ answered: 8, total: 8, failed: 0, rate: 1234.5 }, '8/8 lines, 100.0%, 1235 lines/s'],
  ])('%o', (pace, text) => {
    expect(progressText(pace)).toBe(text);
  });

  it('is a bar, full at the end only', () => {
    const bar = (answered: number) =>
      progressBar({ answered, total: 1000, failed: 0, rate: null }).slice(0, 22);
    expect(bar(0)).toBe(`[${' '.repeat(20)}]`);
    expect(bar(200)).toBe(`[####${' '.repeat(16)}]`);
    expect(bar(999)).toBe(`[${'#'.repeat(19)} ]`);
    expect(bar(1000)).toBe(`[${'#'.repeat(20)}]`);
  });
});

describe('ProgressDisplay', () => {
  const pace = { answered: 10, total: 100, failed: 0, rate: null };
  const shown = (isTTY: boolean) => {
    const written: string[] = [];
    let now = 0;
    const display = new ProgressDisplay({ isTTY, write: (text: string) => written.push(text) }, () => now);
    return { written, display, wait: (ms: number) => (now += ms) };
  };

  it('writes one line over and over on a terminal, and clears it', () => {
    const { written, display } = shown(true);
    display.show('validating', pace);
    display.show('in_progress', pace);
    display.clear();
    display.clear();
    expect(written).toEqual([
      '\r\u001B[Kvalidating',
      `\r\u001B[K[##${' '.repeat(18)}] 10/100 lines, 10.0%`,
      '\r\u001B[K',
    ]);
  });

  it('writes a line where something begins and every ten seconds elsewhere, with the rate that it sees', () => {
    const { written, display, wait } = shown(false);
    display.show('validating', { ...pace, answered: 0, total: 0 });
    display.show('in_progress', pace);
    wait(5000);
    display.show('in_progress', { ...pace, answered: 15 });
    wait(5000);
    display.show('in_progress', { ...pace, answered: 20 });
    display.show('in_progress', { ...pace, answered: 21, rate: 9 });
    expect(written).toEqual([
      'validating\n',
      'in_progress: 10/100 lines, 10.0%\n',
      'in_progress: 20/100 lines, 20.0%, 2.0 lines/s, 40 s left\n',
    ]);
  });
});

describe('listTable', () => {
  it('has a line for each batch', () => {
    const other: Batch = {
      ...BATCH,
      id: 'batch_22',
      status: 'failed',
      input: { kind: 'file', fileId: 'file-1' },
    };
    expect(listTable([BATCH, other])).toBe(
      [
        'id        status       answered  failed  rate   created               endpoint         input',
        'batch_1   in_progress  200/1000  10      4.5/s  2026-01-02 03:04:05Z  /v1/completions  /data/night.jsonl',
        'batch_22  failed       200/1000  10             2026-01-02 03:04:05Z  /v1/completions  file-1',
        '',
      ].join('\n'),
    );
  });

  it('of nothing says so', () => {
    expect(listTable([])).toBe('There are no batches yet.\n');
  });
});

describe('batchText', () => {
  it('tells a batch that runs', () => {
    expect(batchText(BATCH, PROGRESS, [WORKER])).toBe(
      `batch     batch_1
status    in_progress
endpoint  /v1/completions
input     /data/night.jsonl
created   2026-01-02 03:04:05Z
begun     2026-01-02 03:04:06Z
progress  200/1000 lines, 20.0%, 4.5 lines/s, 178 s left, 10 failed
chunks    7 open, 1 running, 2 done
working   lines 201 to 300, 0 answered, by w (host, process 4711)
`.replace('178 s', '3 min'),
    );
  });

  it('tells that nobody works on it, and what to do', () => {
    expect(batchText(BATCH, PROGRESS, [])).toContain('no server runs on this data');
    expect(batchText(BATCH, PROGRESS, [])).toContain('npm run batch -- run batch_1');
    expect(batchText({ ...BATCH, status: 'completed' }, OVER, [])).not.toContain('no server');
  });

  it('tells where the results are, once they are there', () => {
    expect(batchText(BATCH, PROGRESS, [WORKER])).not.toContain('results');
    expect(batchText({ ...BATCH, status: 'completed' }, OVER, [])).toContain(
      'results   /data/night.results.jsonl',
    );
    expect(batchText({ ...BATCH, status: 'cancelled' }, OVER, [])).toContain(
      'results   /data/night.results.jsonl',
    );
    const api = {
      ...BATCH,
      status: 'completed',
      delivery: null,
      outputFileId: 'file-1',
      errorFileId: 'file-2',
    } as const;
    expect(batchText(api, OVER, [])).toContain('output    file-1\nfailures  file-2');
  });

  it('tells why it failed', () => {
    const errors = [{ code: 'empty_file', message: 'The file is empty.', line: null, param: null }];
    const text = batchText({ ...BATCH, status: 'failed', errors }, OVER, []);
    expect(text).toContain('error     empty_file: The file is empty.');
    expect(text).not.toContain('results');
  });
});

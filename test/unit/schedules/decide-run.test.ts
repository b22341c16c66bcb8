import { describe, expect, it } from 'vitest';
import { decideRun, decideStart, MISSED_MS } from '../../../src/batch/schedules/decide-run.js';

const FILE = { kind: 'file', fileId: 'file-1' } as const;
const INBOX = { kind: 'inbox', pattern: '*.jsonl' } as const;
const DUE = Date.parse('2026-01-02T03:00:00Z');

describe('a run that is due', () => {
  it('begins', () => {
    expect(decideRun({ missedRuns: 'skip', source: FILE }, DUE, DUE + MISSED_MS, undefined)).toEqual({
      run: true,
    });
  });

  it('that nobody could start is left out, and says which', () => {
    expect(decideRun({ missedRuns: 'skip', source: FILE }, DUE, DUE + MISSED_MS + 1, undefined)).toEqual({
      run: false,
      reason: 'nobody was there to start it at 2026-01-02T03:00:00.000Z',
    });
  });

  it('is made up for, where that is wanted', () => {
    expect(decideRun({ missedRuns: 'run_once', source: FILE }, DUE, DUE + 1e9, undefined)).toEqual({
      run: true,
    });
  });

  it.each(['skip', 'run_once'] as const)('waits for none before it: it is left out (%s)', (missedRuns) => {
    const decision = decideRun({ missedRuns, source: FILE }, DUE, DUE, 'batch_1');
    expect(decision).toMatchObject({ run: false, reason: expect.stringContaining('batch_1') as string });
  });
});

it('files of an inbox do not wait for each other', () => {
  expect(decideStart({ source: INBOX }, 'batch_1')).toEqual({ run: true });
  expect(decideStart({ source: FILE }, 'batch_1')).toMatchObject({ run: false });
});

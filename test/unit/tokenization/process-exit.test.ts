import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { TALES } from '../../support/models.js';

const PROGRAM = fileURLToPath(new URL('./helpers/exit-program.ts', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
}

function run(moment: string): Promise<Ended> {
  return new Promise((resolve) => {
    const args = ['--import', 'tsx', PROGRAM, TALES.source, moment];
    const child = execFile(process.execPath, args, { timeout: 15_000 }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode, signal: child.signalCode, output: stdout + stderr }),
    );
  });
}

describe('a process with tokenizer threads', () => {
  it.each(['at start', 'at work', 'at rest'])('exits %s with its code', async (moment) => {
    expect(await run(moment)).toEqual({ code: 7, signal: null, output: '' });
  });

  it('ends by itself when it has nothing else to do', async () => {
    expect(await run('never')).toEqual({ code: 0, signal: null, output: '' });
  });
});

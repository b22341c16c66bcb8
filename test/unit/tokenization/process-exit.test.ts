import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { TALES } from '../../support/models.js';

const EXITS = fileURLToPath(new URL('./helpers/exit-program.ts', import.meta.url));
const IMPORTS = fileURLToPath(new URL('./helpers/imports-program.ts', import.meta.url));

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
}

function run(program: string, ...more: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    const args = ['--import', 'tsx', program, TALES.source, ...more];
    const child = execFile(process.execPath, args, { timeout: 15_000 }, (_error, stdout, stderr) =>
      resolve({ code: child.exitCode, signal: child.signalCode, output: stdout + stderr }),
    );
  });
}

describe('a process with tokenizer threads', () => {
  it.each(['at start', 'at work', 'at rest'])('exits %s with its code', async (moment) => {
    expect(await run(EXITS, moment)).toEqual({ code: 7, signal: null, output: '' });
  });

  it('ends by itself when it has nothing else to do', async () => {
    expect(await run(EXITS, 'never')).toEqual({ code: 0, signal: null, output: '' });
  });

  it('does not load ONNX Runtime', async () => {
    const { code, output } = await run(IMPORTS);
    expect(code).toBe(0);
    const objects = output.split('\n');
    expect(objects.some((path) => path.includes('libc'))).toBe(true);
    expect(objects.filter((path) => path.includes('onnxruntime'))).toEqual([]);
  });
});

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { GOLDEN, TALES } from '../support/models.js';

const CYCLES = 21;
const MOST_GROWTH = 1.05;

interface Cycle {
  /** Resident memory of the server after the model was unloaded and the collector ran, in bytes. */
  readonly server: number;
  /** Of the engine's process while it had the model. */
  readonly engine: number;
}

it('20 more loads and unloads leave no more memory in use than the first one', async () => {
  const program = fileURLToPath(new URL('../support/unload-cycles.mjs', import.meta.url));
  const { source } = GOLDEN?.model ?? TALES;
  const args = ['--expose-gc', program, source, String(CYCLES)];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    env: { PATH: process.env['PATH'] },
  });
  const cycles = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Cycle);
  expect(cycles).toHaveLength(CYCLES);
  const [first, last] = [cycles[0], cycles.at(-1)] as [Cycle, Cycle];
  expect(last.server).toBeLessThanOrEqual(first.server * MOST_GROWTH);
  // the server gives back what its imports took, some cycles after its start: that must not hide what a cycle leaves behind
  const settled = Math.min(...cycles.slice(0, CYCLES / 2).map(({ server }) => server));
  expect(last.server).toBeLessThanOrEqual(settled * MOST_GROWTH);
  // each is a new process: the middle of some, as one differs from the next by a few percent
  const early = median(cycles.slice(0, 5).map(({ engine }) => engine));
  const late = median(cycles.slice(-5).map(({ engine }) => engine));
  expect(late).toBeLessThanOrEqual(early * MOST_GROWTH);
}, 120_000);

function median(values: readonly number[]): number {
  return [...values].toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number;
}

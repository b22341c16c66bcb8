import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const CYCLES = 21;
const MOST_GROWTH = 1.05;

// What a cycle could leave behind is in the server: each engine is a process of its own, which is gone. So the engine is a script
// here; `node --expose-gc test/support/unload-cycles.mjs models/tales 21` does the same with the model, and tells the engine's memory, too.
it('20 more loads and unloads leave no more memory in use than the first one', async () => {
  const program = fileURLToPath(new URL('../support/unload-cycles.mjs', import.meta.url));
  const args = ['--expose-gc', program, 'scripted', String(CYCLES)];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    env: { PATH: process.env['PATH'] },
  });
  // resident memory after the model was unloaded and the collector ran, in bytes
  const cycles = stdout
    .trim()
    .split('\n')
    .map((line) => (JSON.parse(line) as { server: number }).server);
  expect(cycles).toHaveLength(CYCLES);
  const last = cycles.at(-1) as number;
  expect(last).toBeLessThanOrEqual((cycles[0] as number) * MOST_GROWTH);
  // the server gives back what its imports took, some cycles after its start: that must not hide what a cycle leaves behind
  expect(last).toBeLessThanOrEqual(Math.min(...cycles.slice(0, CYCLES / 2)) * MOST_GROWTH);
});

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findProblems, formatLines, scriptedLines } from '../../test/support/batch-chaos/lines.js';
import { ChaosSystem, type ScriptedEngine } from '../../test/support/batch-chaos/system.js';
import { createBatch, downloadFile, uploadFile, waitForBatch } from './batch-client.js';

/** A batch over servers that share one Postgres, one Redis and one folder. */
export interface SharedBatchFigures {
  readonly servers: number;
  readonly linesPerSecond: number;
  /** Lines that each server's engine ran. */
  readonly runs: readonly number[];
  /** Runs more than lines. */
  readonly twice: number;
}

const WARM_UP_LINES = 200;

/** @param lines of the batch that is timed, from its creation to its end; one before it isn't */
export async function measureSharedBatch(
  servers: number,
  lines: number,
  engine: ScriptedEngine,
): Promise<SharedBatchFigures> {
  const system = await ChaosSystem.start({ storage: 'shared', servers, engine });
  try {
    await runBatch(system, 'warm-up', WARM_UP_LINES);
    const seconds = await runBatch(system, 'timed', lines);
    const runs = system.slots.map((slot) => system.runsOf(slot).filter((run) => run.startsWith('timed ')));
    const all = runs.flat();
    return {
      servers,
      linesPerSecond: lines / seconds,
      runs: runs.map(({ length }) => length),
      twice: all.length - new Set(all).size,
    };
  } finally {
    await system.dispose();
  }
}

/** @throws Error unless every line is answered rightly @returns seconds */
async function runBatch({ url, data }: ChaosSystem, name: string, count: number): Promise<number> {
  const lines = scriptedLines(name, count);
  const input = join(data, 'input', `${name}.jsonl`);
  writeFileSync(input, formatLines(lines));
  const fileId = await uploadFile(url, input);
  const start = performance.now();
  const { id } = await createBatch(url, fileId);
  const batch = await waitForBatch(url, id);
  const seconds = (performance.now() - start) / 1000;
  if (batch.output_file_id === null) throw new Error(`the batch came to ${JSON.stringify(batch)}`);
  const output = join(data, 'input', `${name}.output.jsonl`);
  await downloadFile(url, batch.output_file_id, output);
  const problems = findProblems(output, lines);
  if (problems.length > 0) throw new Error(problems.join('; '));
  return seconds;
}

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';

/** One line on what the figures were measured on. */
export function describeMachine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown CPU';
  return [
    `${model}, ${availableParallelism()} cores`,
    `Node.js ${process.version}`,
    `onnxruntime-node ${installedVersion('onnxruntime-node')}`,
    `@huggingface/transformers ${installedVersion('@huggingface/transformers')}`,
  ].join('; ');
}

/** @returns how busy all cores of the machine were since the call, 0 to 1, by whatever ran on it */
export function startBusyMeter(): () => number {
  const before = cpuTimes();
  return () => {
    const after = cpuTimes();
    const total = after.total - before.total;
    return total > 0 ? 1 - (after.idle - before.idle) / total : 0;
  };
}

function cpuTimes(): { idle: number; total: number } {
  const times = cpus().map((cpu) => cpu.times);
  const total = times.flatMap((time) => Object.values(time)).reduce((a, b) => a + b, 0);
  return { idle: times.reduce((a, { idle }) => a + idle, 0), total };
}

/** Packages with an `exports` map don't let their package.json be imported. */
function installedVersion(name: string): string {
  for (const folder of createRequire(import.meta.url).resolve.paths(name) ?? []) {
    try {
      const manifest = readFileSync(join(folder, name, 'package.json'), 'utf8');
      return (JSON.parse(manifest) as { version: string }).version;
    } catch {
      // not in this one
    }
  }
  return 'unknown';
}

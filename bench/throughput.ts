/**
 * Resident beside a naive Transformers.js server, its own raw ceiling and, with `--peers`, node-llama-cpp: tokens per second
 * and waiting, by concurrency. `npm run bench`; bench/README.md has the options.
 */
import { drawThroughput } from './throughput/chart.js';
import { measureSubject } from './throughput/measure.js';
import { parseOptions, type ThroughputOptions } from './throughput/options.js';
import { formatIntro, formatResult } from './throughput/report.js';
import type { SubjectResult, ThroughputResult } from './throughput/results.js';
import { chooseSubjects } from './throughput/subjects.js';
import { keepResult, measuredHere, readResult, report } from './support/report.js';

async function measure(options: ThroughputOptions): Promise<ThroughputResult> {
  const { command, rounds, volume, resultName } = options;
  const subjects: SubjectResult[] = [];
  const { newTokens, mixed } = volume;
  const result = { measured: measuredHere(), command, rounds, newTokens, mixed, subjects };
  for (const subject of await chooseSubjects(options.model, options.kinds)) {
    subjects.push(await measureSubject(subject, options));
    // at once: what was measured outlives a later failure
    keepResult(`${resultName}.json`, `${JSON.stringify(result, undefined, 1)}\n`);
  }
  return result;
}

function present(result: ThroughputResult, name: string): void {
  for (const workload of ['short', 'long'] as const) {
    const chart = drawThroughput(result, workload);
    if (chart !== undefined) keepResult(workload === 'short' ? `${name}.svg` : `${name}-long.svg`, chart);
  }
  report({
    name,
    title: 'Throughput and waiting',
    command: result.command,
    intro: formatIntro(result),
    body: formatResult(result),
    measured: result.measured,
  });
}

const options = parseOptions(process.argv.slice(2));
const result = options.reportOnly
  ? (JSON.parse(readResult(`${options.resultName}.json`)) as ThroughputResult)
  : await measure(options);
present(result, options.resultName);

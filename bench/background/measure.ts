import { PromptWriter } from '../load/prompts.js';
import { plural } from '../support/plural.js';
import type { Subject } from '../throughput/subjects.js';
import { writeBatchLines } from './batch-load.js';
import { formatBackground, type BackgroundRound } from './figures.js';
import { BATCH, LIGHT_PAUSE, NEW_TOKENS, PAUSE, measureRound } from './round.js';

/** Measures one model, and writes its section of the report. @param requests of each prompt length in a round */
export async function measureBackground(subject: Subject, rounds: number, requests: number): Promise<string> {
  const writer = PromptWriter.forModel(subject.folder);
  const batchLines = writeBatchLines(BATCH, writer, subject.name);
  const results: BackgroundRound[] = [];
  for (let round = 1; round <= rounds; round++) {
    process.stderr.write(`${subject.name}: round ${round} of ${rounds}\n`);
    results.push(await measureRound(subject, writer, batchLines, requests, round));
  }
  return formatBackground(results);
}

/** What the figures are of. */
export function describeBackground(rounds: number): string {
  return [
    `Interactive requests, one after another with pauses of ${PAUSE.join(' to ')} ms, ${NEW_TOKENS} new tokens each, greedy: first to an`,
    'idle server, then to the same server while it runs a batch that never ends, handed in through `/v1/batches`',
    `(${BATCH.promptTokens}-token prompts, ${BATCH.newTokens} new tokens on average). In between, few requests: short ones, with pauses of`,
    `${LIGHT_PAUSE.map((ms) => ms / 1000).join(' to ')} s. TTFT is from the request to its first token. ${plural(rounds, 'round')}, a new server in`,
    'each; percentiles are over all requests. No two prompts begin alike.',
  ].join(' ');
}

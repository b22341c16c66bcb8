/**
 * How long does a request wait for its first token while a batch takes all that is left of the machine, and how far does
 * the batch come? `npm run bench:background -- --kinds q8,i8 --rounds 3`
 */
import { Agent } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { BatchLoad, writeBatchLines, type BatchShape } from './background/batch-load.js';
import { formatBackground, type BackgroundRound, type Waiting } from './background/figures.js';
import { timeToFirstToken } from './load/load-figures.js';
import { PromptWriter } from './load/prompts.js';
import { streamCompletion } from './load/stream-completion.js';
import { commandLine, wholeNumber } from './support/arguments.js';
import { plural } from './support/plural.js';
import { report } from './support/report.js';
import { seededRandom, wholeBetween } from './support/seeded-random.js';
import { startResidentWith } from './support/servers.js';
import { createTemporaryFolder } from './support/temporary-folder.js';
import { KINDS, chooseSubjects, type Subject } from './throughput/subjects.js';

const PROMPT_TOKENS = [20, 256];
const NEW_TOKENS = 16;
/** Between the end of an answer and the next request, in milliseconds. */
const PAUSE = [50, 250] as const;
/** More than any server gets through. */
const BATCH: BatchShape = { lines: 20_000, promptTokens: 64, newTokens: 64 };
const BATCH_ALONE_MS = 8000;
/** Until then the server counts on people coming back, and batches run few rows. */
const QUIET_MS = 11_000;
const WARM_UP_REQUESTS = 4;

interface Client {
  readonly url: string;
  readonly model: string;
  readonly writer: PromptWriter;
}

/** One client that waits for each answer: prompts of every length in turn. */
async function sendRequests(client: Client, count: number, seed: string): Promise<Waiting[]> {
  const agent = new Agent({ keepAlive: true });
  const random = seededRandom(seed);
  const waiting = PROMPT_TOKENS.map((promptTokens) => ({ promptTokens, ttfts: [] as number[] }));
  try {
    for (let i = 0; i < count; i++) {
      for (const { promptTokens, ttfts } of waiting) {
        const prompt = client.writer.write(`${seed}/${promptTokens}/${i}`, promptTokens).text;
        const job = { prompt, promptTokens, newTokens: NEW_TOKENS };
        ttfts.push(timeToFirstToken(await streamCompletion({ ...client, agent }, job)));
        await sleep(wholeBetween(random, ...PAUSE));
      }
    }
    return waiting;
  } finally {
    agent.destroy();
  }
}

/** A server of its own: first idle, then with the batch by itself, then with both. */
async function measureRound(
  subject: Subject,
  writer: PromptWriter,
  batchLines: string,
  requests: number,
  round: number,
): Promise<BackgroundRound> {
  const data = createTemporaryFolder();
  const config = { batch: { cron: '* * * * * *' } };
  const server = await startResidentWith(subject, config, { RESIDENT_DATA: data });
  const client = { url: server.url, model: subject.name, writer };
  try {
    await sendRequests(client, WARM_UP_REQUESTS, `warm-up/${round}`);
    const idle = await sendRequests(client, requests, `idle/${round}`);
    const batch = new BatchLoad(data);
    await batch.start(batchLines);
    await sleep(QUIET_MS);
    const alone = await batch.measureDuring(() => sleep(BATCH_ALONE_MS));
    const beside = await batch.measureDuring(() => sendRequests(client, requests, `busy/${round}`));
    return {
      idle,
      busy: beside.result,
      batchAlone: alone.tokensPerSecond,
      batchBeside: beside.tokensPerSecond,
    };
  } finally {
    await server.stop();
  }
}

async function measureSubject(subject: Subject, rounds: number, requests: number): Promise<string> {
  const writer = PromptWriter.forModel(subject.folder);
  const batchLines = writeBatchLines(BATCH, writer);
  const results: BackgroundRound[] = [];
  for (let round = 1; round <= rounds; round++) {
    process.stderr.write(`${subject.name}: round ${round} of ${rounds}\n`);
    results.push(await measureRound(subject, writer, batchLines, requests, round));
  }
  return `## ${subject.title}\n\n${formatBackground(results)}`;
}

const { values } = parseArgs({
  options: {
    kinds: { type: 'string', default: KINDS.join(',') },
    model: { type: 'string', default: '135m' },
    rounds: { type: 'string', default: '3' },
    requests: { type: 'string', default: '30' },
  },
});
const rounds = wholeNumber('rounds', values.rounds);
const sections: string[] = [];
for (const subject of await chooseSubjects(values.model, values.kinds)) {
  sections.push(await measureSubject(subject, rounds, wholeNumber('requests', values.requests)));
}
report({
  name: values.model === 'tales' ? 'background-tales' : 'background',
  title: 'First tokens beside a saturating batch',
  command: commandLine('bench:background', process.argv.slice(2)),
  intro: [
    `Interactive requests, one after another with pauses of ${PAUSE.join(' to ')} ms, ${NEW_TOKENS} new tokens each, greedy: first to an`,
    `idle server, then to the same server while it runs a batch from its inbox that never ends (${BATCH.promptTokens}-token prompts,`,
    `${BATCH.newTokens} new tokens). TTFT is from the request to its first token. ${plural(rounds, 'round')}, a new server in each; percentiles`,
    'are over all requests. No two prompts begin alike.',
  ].join(' '),
  body: sections.join('\n\n'),
});

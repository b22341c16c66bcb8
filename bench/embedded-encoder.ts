/**
 * How long does the embedded encoder take for 1,000 sentences of 20 words, through the API in batches of 64?
 * `npm run bench:embedded -- --rounds 5`
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { commandLine, wholeNumber } from './support/arguments.js';
import type { ChildServer } from './support/child-server.js';
import { startBusyMeter } from './support/machine.js';
import { formatTable } from './support/markdown-table.js';
import { report } from './support/report.js';
import { seededRandom, wholeBetween } from './support/seeded-random.js';
import { startResident } from './support/servers.js';
import { median } from './support/statistics.js';
import { createTemporaryFolder } from './support/temporary-folder.js';

const MODEL = 'encoder';
const SENTENCES = 1000;
const WORDS = 20;
const BATCH = 64;
const FORMATS = ['float', 'base64'] as const;
type Format = (typeof FORMATS)[number];

const folder = fileURLToPath(new URL('../models/encoder', import.meta.url));

interface Round {
  readonly elapsedMs: number;
  /** How busy the machine's cores were meanwhile, 0 to 1. */
  readonly busy: number;
  /** Of all sentences, special ones included. */
  readonly tokens: number;
}

/** Sentences of running text of today: passages that the model is judged by, cut anew in every round. */
function writeSentences(seed: string): string[] {
  const passages = readFileSync(join(folder, 'training/eval/retrieval.tsv'), 'utf8').split(/\s+/);
  const random = seededRandom(seed);
  return Array.from({ length: SENTENCES }, () => {
    const from = wholeBetween(random, 0, passages.length - WORDS);
    return passages.slice(from, from + WORDS).join(' ');
  });
}

/** One request after the other, as a program does that embeds a file. */
async function embedAll(server: ChildServer, sentences: readonly string[], format: Format): Promise<Round> {
  const busy = startBusyMeter();
  const start = performance.now();
  let tokens = 0;
  for (let at = 0; at < sentences.length; at += BATCH)
    tokens += await embedBatch(server, sentences.slice(at, at + BATCH), format);
  return { elapsedMs: performance.now() - start, busy: busy(), tokens };
}

/** @returns the tokens of the batch */
async function embedBatch(server: ChildServer, input: readonly string[], format: Format): Promise<number> {
  const response = await fetch(`${server.url}/v1/embeddings`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: MODEL, input, encoding_format: format }),
  });
  const answer = (await response.json()) as { data?: unknown[]; usage?: { prompt_tokens: number } };
  if (answer.data?.length !== input.length || !answer.usage)
    throw new Error(`${server.url} answered ${response.status}: ${JSON.stringify(answer).slice(0, 300)}`);
  return answer.usage.prompt_tokens;
}

async function startEncoder(): Promise<ChildServer> {
  const file = join(createTemporaryFolder(), 'resident.yaml');
  const model = { name: MODEL, source: folder, task: 'feature-extraction' };
  // JSON is YAML
  writeFileSync(file, JSON.stringify({ models: [model] }));
  return startResident({ RESIDENT_CONFIG: file });
}

/** The formats take turns. */
async function measure(roundCount: number): Promise<Record<Format, Round[]>> {
  const server = await startEncoder();
  const rounds: Record<Format, Round[]> = { float: [], base64: [] };
  try {
    await embedAll(server, writeSentences('warm-up').slice(0, BATCH), 'float');
    for (let round = 1; round <= roundCount; round++)
      for (const format of FORMATS)
        rounds[format].push(await embedAll(server, writeSentences(`round/${round}`), format));
  } finally {
    await server.stop();
  }
  return rounds;
}

const seconds = (ms: number): string => (ms / 1000).toFixed(2);

function formatRounds(rounds: Readonly<Record<Format, readonly Round[]>>): string {
  const middle = (format: Format): number => median(rounds[format].map(({ elapsedMs }) => elapsedMs));
  return formatTable<Format>(
    [
      { title: 'encoding_format', cell: (format) => format },
      { title: 'median s', align: 'right', cell: (format) => seconds(middle(format)) },
      {
        title: 'sentences/s',
        align: 'right',
        cell: (format) => ((SENTENCES / middle(format)) * 1000).toFixed(0),
      },
      {
        title: 'rounds, s',
        cell: (format) => rounds[format].map(({ elapsedMs }) => seconds(elapsedMs)).join(', '),
      },
      {
        title: 'cores busy',
        align: 'right',
        cell: (format) => `${(median(rounds[format].map(({ busy }) => busy)) * 100).toFixed(0)} %`,
      },
    ],
    FORMATS,
  );
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } });
const rounds = await measure(wholeNumber('rounds', values.rounds));
const tokens = median(rounds.float.map((round) => round.tokens)) / SENTENCES;
report({
  name: 'embedded-encoder',
  title: 'The embedded encoder',
  command: commandLine('bench:embedded', process.argv.slice(2)),
  intro: [
    `\`models/encoder\` behind \`POST /v1/embeddings\`: ${SENTENCES.toLocaleString('en')} sentences of ${WORDS} words (${tokens.toFixed(1)} tokens on average),`,
    `${BATCH} in a request, one request after the other, until the last answer is parsed. "Cores busy" counts everything that ran on the machine.`,
  ].join(' '),
  body: formatRounds(rounds),
});

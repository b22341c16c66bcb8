/**
 * How many texts a second become embeddings, beside a Transformers.js singleton server that embeds them one by one?
 * `npm run bench:encoders -- --kinds fp32,i8 --rounds 3 --texts 512`
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { measureBare } from './encoders/bare.js';
import { runEmbeddings, type EmbeddingRound } from './encoders/embedding-load.js';
import { formatEmbeddings } from './encoders/figures.js';
import { ensureMiniLm, writeTexts } from './encoders/minilm.js';
import { chooseAmong, commandLine, wholeNumber } from './support/arguments.js';
import { startServer, type ChildServer } from './support/child-server.js';
import { plural } from './support/plural.js';
import { report } from './support/report.js';
import { startResident } from './support/servers.js';
import { createTemporaryFolder } from './support/temporary-folder.js';

/** Of a text, with its special tokens. */
const TOKENS = [5, 256] as const;
const WARM_UP_TEXTS = 32;
const MODEL = 'minilm';
const KINDS = {
  fp32: { title: 'fp32: MatMul', file: 'model.onnx' },
  i8: { title: '8 bits: DynamicQuantizeMatMul, int8 per column', file: 'model_quantized.onnx' },
} as const;
type Kind = keyof typeof KINDS;

async function startServers(
  kind: Kind,
  batchTokens: string | undefined,
): Promise<[ChildServer, ChildServer]> {
  const folder = await ensureMiniLm(kind);
  const naive = await startServer({
    name: 'naive',
    args: [
      '--import',
      import.meta.resolve('tsx'),
      fileURLToPath(new URL('encoders/naive-server.ts', import.meta.url)),
    ],
    env: { MODEL_FOLDER: folder, MODEL_DTYPE: kind },
    readyPath: '/health/live',
  });
  const file = join(createTemporaryFolder(), 'resident.yaml');
  const model = {
    name: MODEL,
    source: folder,
    task: 'feature-extraction',
    ...(batchTokens === undefined ? {} : { batchTokens: wholeNumber('batch-tokens', batchTokens) }),
  };
  // JSON is YAML
  writeFileSync(file, JSON.stringify({ models: [model] }));
  return [naive, await startResident({ RESIDENT_CONFIG: file })];
}

/** Both are up all the time and take turns. */
async function measureKind(kind: Kind): Promise<string> {
  const [naive, resident] = await startServers(kind, values['batch-tokens']);
  const rounds: Record<'naive' | 'resident', EmbeddingRound[]> = { naive: [], resident: [] };
  const run = (server: ChildServer, seed: string, count: number): Promise<EmbeddingRound> =>
    runEmbeddings(server, MODEL, writeTexts(seed, count, TOKENS), concurrency);
  try {
    for (const server of [naive, resident]) await run(server, 'warm-up', WARM_UP_TEXTS);
    for (let round = 1; round <= roundCount; round++) {
      process.stderr.write(`${kind}: round ${round} of ${roundCount}\n`);
      rounds.naive.push(await run(naive, `round/${round}`, textCount));
      rounds.resident.push(await run(resident, `round/${round}`, textCount));
    }
  } finally {
    await Promise.all([naive.stop(), resident.stop()]);
  }
  const lengths = writeTexts('round/1', textCount, TOKENS).map((text) => text.split(' ').length + 2);
  const bare = await measureBare(await ensureMiniLm(kind), KINDS[kind].file, lengths);
  const table = formatEmbeddings(
    { label: 'Transformers.js singleton', rounds: rounds.naive },
    { label: 'Resident', rounds: rounds.resident },
    bare,
  );
  return `## ${KINDS[kind].title}\n\n${table}`;
}

const { values } = parseArgs({
  options: {
    kinds: { type: 'string', default: Object.keys(KINDS).join(',') },
    rounds: { type: 'string', default: '3' },
    texts: { type: 'string', default: '512' },
    concurrency: { type: 'string', default: '32' },
    'batch-tokens': { type: 'string' },
  },
});
const roundCount = wholeNumber('rounds', values.rounds);
const textCount = wholeNumber('texts', values.texts);
const concurrency = wholeNumber('concurrency', values.concurrency);
const sections: string[] = [];
for (const kind of chooseAmong('kinds', values.kinds, Object.keys(KINDS) as Kind[]))
  sections.push(await measureKind(kind));
report({
  name: 'encoders',
  title: 'Embeddings',
  command: commandLine('bench:encoders', process.argv.slice(2)),
  intro: [
    'A MiniLM-shaped encoder (6 layers, hidden 384, 12 heads, vocabulary 30,000; random weights) behind `POST /v1/embeddings`,',
    `one text of ${TOKENS.join(' to ')} tokens in a request, ${plural(concurrency, 'client')} that wait for their answers, ${plural(textCount, 'text')} a round, ${plural(roundCount, 'round')};`,
    'the same texts for both, in turn. Medians of the rounds. Latency is to the end of the answer; health is `GET /health/live` meanwhile.',
  ].join(' '),
  body: sections.join('\n\n'),
});

import {
  createReadStream,
  createWriteStream,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startServer, type ChildServer } from '../support/child-server.js';
import { parseStatus, residentBytesOfTree } from '../support/process-tree.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';
import { createBatch, downloadFile, uploadFile, waitForBatch } from './batch-client.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Where the answers come from: the server's own process, or a scripted engine's. */
export const ANSWERERS = ['in-process', 'engine-process'] as const;
export type Answerer = (typeof ANSWERERS)[number];

export interface BigBatchPlan {
  readonly answerer: Answerer;
  readonly lines: number;
  /** Folder for a CPU profile of the server. */
  readonly profile?: string | undefined;
}

/** Times in seconds, sizes in bytes. */
export interface BigBatchFigures extends BigBatchPlan {
  readonly upload: number;
  /** From its creation to its end. */
  readonly run: number;
  readonly download: number;
  /** The largest resident memory of the server, by what it was doing. */
  readonly resident: ReadonlyMap<string, number>;
  /** Of the database with its log, at its largest. */
  readonly database: number;
  readonly input: number;
  readonly output: number;
}

const PROGRAMS: Readonly<Record<Answerer, string>> = {
  'in-process': 'bench/batches/fake-server.mjs',
  'engine-process': 'test/support/scripted-server.mjs',
};
const SAMPLE_MS = 200;
const LINES_AT_A_TIME = 1000;

/** Uploads a file of short lines, has it run, downloads the answers, and looks at each of them. */
export async function measureBigBatch(plan: BigBatchPlan): Promise<BigBatchFigures> {
  const folder = createTemporaryFolder();
  const [input, output] = [join(folder, 'input.jsonl'), join(folder, 'output.jsonl')];
  await writeInput(input, plan.lines);
  const server = await startFor(plan, folder);
  const sampler = new Sampler(server.pid, join(folder, 'data', 'resident.db'));
  try {
    sampler.phase = 'upload';
    const [fileId, upload] = await timed(() => uploadFile(server.url, input));
    const [outputId, run] = await timed(async () => runBatch(server.url, fileId, plan.lines, sampler));
    sampler.phase = 'download';
    const [, download] = await timed(() => downloadFile(server.url, outputId, output));
    const { resident, database } = sampler.stop();
    await checkOutput(output, plan.lines);
    const sizes = { input: statSync(input).size, output: statSync(output).size };
    return { ...plan, upload, run, download, resident, database, ...sizes };
  } finally {
    sampler.stop();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function startFor({ answerer, lines, profile }: BigBatchPlan, folder: string): Promise<ChildServer> {
  const config = { log: { level: 'warn' }, batch: { cron: null, maxLines: lines, maxFileSize: '4gb' } };
  const file = join(folder, 'resident.yaml');
  // JSON is YAML
  writeFileSync(file, JSON.stringify(config));
  return startServer({
    name: answerer,
    args: [
      ...(profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${profile}`]),
      `${root}${PROGRAMS[answerer]}`,
    ],
    env: { RESIDENT_DATA: join(folder, 'data'), RESIDENT_CONFIG: file },
    readyPath: '/health/live',
  });
}

async function runBatch(url: string, fileId: string, lines: number, sampler: Sampler): Promise<string> {
  const { id } = await createBatch(url, fileId);
  let printed = 0;
  const batch = await waitForBatch(url, id, ({ status, request_counts: { completed } }) => {
    sampler.phase = status;
    if (performance.now() - printed < 5000) return;
    printed = performance.now();
    process.stderr.write(`${status}: ${completed} of ${lines} lines\n`);
  });
  if (batch.status !== 'completed' || batch.output_file_id === null || batch.request_counts.failed > 0)
    throw new Error(`the batch came to ${JSON.stringify(batch)}`);
  return batch.output_file_id;
}

function promptOf(line: number): string {
  return `Line ${line}: say something short.`;
}

async function writeInput(path: string, lines: number): Promise<void> {
  const file = createWriteStream(path);
  for (let from = 1; from <= lines; from += LINES_AT_A_TIME) {
    const count = Math.min(LINES_AT_A_TIME, lines - from + 1);
    const text = Array.from({ length: count }, (_, i) => formatLine(from + i)).join('');
    if (!file.write(text)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'close');
}

function formatLine(line: number): string {
  const body = { model: 'tales', prompt: promptOf(line), max_tokens: 64 };
  return `${JSON.stringify({ custom_id: `line-${line}`, method: 'POST', url: '/v1/completions', body })}\n`;
}

/** @throws Error at the first line that isn't there, isn't in its place or says something else */
async function checkOutput(path: string, lines: number): Promise<void> {
  let line = 0;
  for await (const text of createInterface({ input: createReadStream(path) })) {
    line++;
    const { custom_id, response } = JSON.parse(text) as {
      custom_id: string;
      response: { body: { choices: readonly { readonly text: string }[] } };
    };
    const prompt = promptOf(line);
    if (custom_id !== `line-${line}` || response.body.choices[0]?.text !== ` ${prompt.length}:${prompt}`)
      throw new Error(`line ${line} of the output is ${text}`);
  }
  if (line !== lines) throw new Error(`${line} lines of output for ${lines} of input`);
}

/** The largest that a server and its database were. */
class Sampler {
  readonly #pid: number;
  readonly #files: readonly string[];
  readonly #timer: NodeJS.Timeout;
  readonly #resident = new Map<string, number>();
  #database = 0;
  /** What the server does, as far as is known. */
  phase = 'start';

  constructor(pid: number, database: string) {
    this.#pid = pid;
    this.#files = [database, `${database}-wal`];
    this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  stop(): Pick<BigBatchFigures, 'resident' | 'database'> {
    clearInterval(this.#timer);
    return { resident: this.#resident, database: this.#database };
  }

  #sample(): void {
    const before = this.#resident.get(this.phase) ?? 0;
    this.#resident.set(this.phase, Math.max(before, residentBytes(this.#pid)));
    const bytes = this.#files.map((file) => statSync(file, { throwIfNoEntry: false })?.size ?? 0);
    this.#database = Math.max(
      this.#database,
      bytes.reduce((a, b) => a + b, 0),
    );
  }
}

/** Of one process, without its engines where the system tells. */
function residentBytes(pid: number): number {
  const status = `/proc/${pid}/status`;
  return existsSync(status) ? parseStatus(readFileSync(status, 'utf8')).resident : residentBytesOfTree(pid);
}

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now();
  const result = await work();
  return [result, (performance.now() - start) / 1000];
}

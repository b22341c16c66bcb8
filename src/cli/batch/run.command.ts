import { createReadStream, existsSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Batch, LineFormat } from '../../batch/batch-types.js';
import { checkEndpoint, hasEnded } from '../../batch/batches.service.js';
import type { LoadedConfig } from '../../config/load-config.js';
import { pause } from '../../engine/pause.js';
import { UsageError } from '../usage-error.js';
import type { BatchCommand } from './arguments.js';
import { openTables, type BatchAccess } from './batch-access.js';
import { inputFormatOf } from './input-format.js';
import { ProgressDisplay } from './progress-display.js';
import { copyResults, deliveryTo, freeOutput, refuseExisting } from './results-of.js';

type RunCommand = Extract<BatchCommand, { kind: 'run' }>;

/** Between two looks at the batch. */
const LOOK_MS = 300;
/** A server that gave no sign of life for so long isn't there. */
const SEEN_MS = 5000;
const GONE_MS = 10_000;
/** Looks at the batch between two at the servers. */
const LOOKS = 5;

const BATCH_ID = /^batch_[0-9a-f]{24}$/;

/** Lines that are to be run. */
interface Source {
  readonly path: string;
  readonly lineFormat: LineFormat;
  readonly endpoint: string;
}

/** Of flat lines; a line with messages is a chat all the same. */
const DEFAULT_ENDPOINT = '/v1/completions';

/** Runs a file, or goes on with a batch: by the server that is there, else here. */
export class BatchRun {
  readonly #config: LoadedConfig;
  readonly #command: RunCommand;
  readonly #display = new ProgressDisplay();
  readonly #ending = new AbortController();
  #access: BatchAccess | undefined;
  #batch: Batch | undefined;

  constructor(config: LoadedConfig, command: RunCommand) {
    this.#config = config;
    this.#command = command;
  }

  /** @returns the exit code */
  async run(): Promise<number> {
    const { what, output } = this.#command;
    const isBatch = BATCH_ID.test(what) && !existsSync(what);
    if (!isBatch) await checkInput(what);
    if (output !== undefined) refuseExisting(resolve(output));
    try {
      const tables = await openTables(this.#config);
      this.#access = tables;
      this.#batch = isBatch ? await this.#find(tables) : await this.#underWay(tables);
      if (!this.#batch) {
        const source = await this.#source();
        await this.#findExecutor(tables);
        if (!this.#isOver) this.#batch = await this.#create(source);
      } else if (!hasEnded(this.#batch.status)) await this.#findExecutor(tables);
      const ended = this.#batch && (await this.#watch(this.#batch.id));
      return ended ? await this.#report(ended) : this.#interrupted();
    } finally {
      this.#display.clear();
      await this.#access?.close();
    }
  }

  /** Stops waiting; what is answered stays answered. */
  interrupt(): void {
    this.#ending.abort();
  }

  get #isOver(): boolean {
    return this.#ending.signal.aborted;
  }

  get #opened(): BatchAccess {
    if (!this.#access) throw new Error('nothing is opened');
    return this.#access;
  }

  /** The server that is there, else this process. */
  async #findExecutor({ workers }: BatchAccess): Promise<void> {
    const [server] = await workers.seen(SEEN_MS);
    if (server) say(`the server on ${server.host} (process ${server.pid}) runs it`);
    else await this.#execute('no server runs on this data');
  }

  async #execute(why: string): Promise<void> {
    this.#display.clear();
    say(`${why}: loading the models here`);
    await this.#access?.close();
    this.#access = undefined;
    // most commands need none of it
    const { openExecutor } = await import('./batch-executor.js');
    this.#access = await openExecutor(this.#config);
  }

  async #find({ batches }: BatchAccess): Promise<Batch> {
    if (this.#command.endpoint !== undefined)
      throw new UsageError('--endpoint is for files: a batch that is there has its own.');
    return batches.get(this.#command.what);
  }

  /** The file was begun before: that batch goes on. */
  async #underWay({ batches }: BatchAccess): Promise<Batch | undefined> {
    const path = resolve(this.#command.what);
    const batch = await batches.underWay(path);
    if (!batch) return undefined;
    if (this.#command.output !== undefined)
      throw new UsageError(`${path} is run already, as ${batch.id}. Leave --output out to go on with that.`);
    say(`${path} was begun before, as ${batch.id}: that goes on`);
    return batch;
  }

  async #source(): Promise<Source> {
    const { what, endpoint: asked } = this.#command;
    const format = await inputFormatOf(resolve(what));
    const endpoint = asked ?? (format.lineFormat === 'flat' ? DEFAULT_ENDPOINT : format.endpoint);
    if (endpoint === undefined)
      throw new UsageError(`The first line of ${what} has no 'url'. Say what it asks for: --endpoint /v1/…`);
    checkEndpoint(endpoint);
    return { path: resolve(what), lineFormat: format.lineFormat, endpoint };
  }

  async #create({ path, lineFormat, endpoint }: Source): Promise<Batch> {
    const { batches, files, inbox } = this.#opened;
    const { output } = this.#command;
    switch (lineFormat) {
      case 'flat':
        if (output === undefined) return inbox.enqueue(path, { endpoint });
        return batches.createFromPath({ path, delivery: deliveryTo(output), endpoint });
      case 'openai': {
        const upload = {
          filename: basename(path),
          purpose: 'batch',
          source: createReadStream(path),
        } as const;
        const { id } = await files.upload(upload);
        return batches.create({ endpoint, inputFileId: id, expiresAt: null });
      }
      default:
        return lineFormat satisfies never;
    }
  }

  /** @returns undefined: interrupted */
  async #watch(id: string): Promise<Batch | undefined> {
    const { signal } = this.#ending;
    for (let looks = 1; !signal.aborted; looks++) {
      const batch = await this.#opened.batches.get(id);
      if (hasEnded(batch.status)) return batch;
      const { counts, rate, status } = batch;
      this.#display.show(status, { ...counts, answered: counts.completed + counts.failed, rate });
      const isTimeToCheck = looks % LOOKS === 0;
      if (isTimeToCheck && !this.#opened.executes && (await this.#opened.workers.seen(GONE_MS)).length === 0)
        await this.#execute('the server is gone');
      await pause(LOOK_MS, signal);
    }
    return undefined;
  }

  async #report(batch: Batch): Promise<number> {
    this.#display.clear();
    const { id, status, counts, errors, delivery } = batch;
    if (status === 'failed') {
      process.stderr.write(`batch: ${id} has failed: ${errors[0]?.message ?? 'nobody said why'}\n`);
      return 1;
    }
    const results = delivery ? [delivery.results] : await this.#fetchResults(batch);
    const answered = counts.completed + counts.failed;
    const lines = answered === 1 ? '1 line' : `${answered} lines`;
    const end = status === 'completed' ? '' : `${id} is ${status}: `;
    const where = results.length === 0 ? 'no results' : `results in ${results.join(' and ')}`;
    process.stdout.write(`${end}${lines}, ${counts.failed} failed; ${where}\n`);
    return status === 'completed' ? 0 : 1;
  }

  /** Out of the file store, where results of OpenAI's format are. */
  async #fetchResults(batch: Batch): Promise<string[]> {
    const { what, output } = this.#command;
    const { files } = this.#opened;
    const input = batch.input.kind === 'file' && batch.id === what ? batch.id : what;
    const path = output === undefined ? freeOutput(this.#config.batch.outbox, input) : resolve(output);
    return copyResults(files, batch, path);
  }

  #interrupted(): number {
    this.#display.clear();
    if (this.#batch) {
      const { id } = this.#batch;
      const goesOn = this.#access?.executes === true ? 'It stops here' : 'The server goes on with it';
      say(
        `${goesOn}; nothing is lost. See how far it is: npm run batch -- show ${id}. Go on waiting: npm run batch -- run ${id}`,
      );
    }
    return 130;
  }
}

async function checkInput(file: string): Promise<void> {
  const found = await stat(file).catch(() => undefined);
  if (!found) throw new UsageError(`There is no file ${file}. npm run batch -- --help tells the commands.`);
  if (!found.isFile()) throw new UsageError(`${file} is no file. Name a file with a line for each request.`);
}

/** What isn't a result goes to stderr. */
function say(text: string): void {
  process.stderr.write(`batch: ${text}\n`);
}

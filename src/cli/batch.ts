/** `npm run batch -- …`: batches from a terminal, with a server or without. `--help` tells the commands. */
import 'reflect-metadata';
import { loadConfig, type LoadedConfig } from '../config/load-config.js';
import { ResidentError } from '../engine/errors.js';
import { parseCommand, USAGE, type BatchCommand } from './batch/arguments.js';
import { openTables, type BatchAccess } from './batch/batch-access.js';
import { BatchRun } from './batch/run.command.js';
import { batchText, listTable, nobodyRuns } from './batch/texts.js';
import { explainStartFailure } from './explain.js';
import { UsageError } from './usage-error.js';

/** A server that gave no sign of life for so long isn't there, in milliseconds. */
const SEEN_MS = 5000;
const PAGE = 100;

/** @returns the exit code */
async function execute(command: BatchCommand): Promise<number> {
  switch (command.kind) {
    case 'help':
      process.stdout.write(USAGE);
      return 0;
    case 'list':
      return withTables(loadConfig(), (access) => list(access, command.limit));
    case 'show':
      return withTables(loadConfig(), (access) => show(access, command.id));
    case 'cancel':
      return withTables(loadConfig(), (access) => cancel(access, command.id));
    case 'run':
      return run(new BatchRun(loadConfig(), command));
    default:
      return command satisfies never;
  }
}

async function withTables(
  config: LoadedConfig,
  action: (access: BatchAccess) => Promise<void>,
): Promise<number> {
  const access = await openTables(config);
  try {
    await action(access);
    return 0;
  } finally {
    await access.close();
  }
}

async function list({ batches }: BatchAccess, limit: number): Promise<void> {
  const all = [];
  for (let after: string | undefined; all.length < limit; after = all.at(-1)?.id) {
    const page = await batches.list({ after, limit: Math.min(PAGE, limit - all.length) });
    all.push(...page.batches);
    if (!page.hasMore) break;
  }
  process.stdout.write(listTable(all));
}

async function show({ batches, workers }: BatchAccess, id: string): Promise<void> {
  const batch = await batches.get(id);
  process.stdout.write(batchText(batch, await batches.progress(batch), await workers.seen(SEEN_MS)));
}

async function cancel({ batches, workers }: BatchAccess, id: string): Promise<void> {
  const { status } = await batches.cancel(id);
  process.stdout.write(`${id} is ${status}: what is answered is delivered, the rest is left out.\n`);
  if (status === 'cancelling' && (await workers.seen(SEEN_MS)).length === 0)
    process.stdout.write(`But ${nobodyRuns(id)}\n`);
}

/** Ctrl-C once stops in order, twice at once. */
async function run(running: BatchRun): Promise<number> {
  let signals = 0;
  const interrupt = (): void => {
    if (++signals > 1) process.exit(130);
    running.interrupt();
  };
  process.on('SIGINT', interrupt).on('SIGTERM', interrupt);
  return running.run();
}

function explain(error: unknown): string {
  return error instanceof UsageError || error instanceof ResidentError
    ? error.message
    : explainStartFailure(error);
}

try {
  process.exitCode = await execute(parseCommand(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`batch: ${explain(error)}\n`);
  process.exit(1);
}

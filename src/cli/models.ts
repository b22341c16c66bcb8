/** `npm run models -- …`: the models in the cache, from a terminal. `--help` tells the commands. */
import { existsSync } from 'node:fs';
import { loadConfig } from '../config/load-config.js';
import { ResidentError } from '../engine/errors.js';
import { listCache, removeCached } from '../engine/hub/cache-contents.js';
import { folderOf } from '../engine/hub/cache-folder.js';
import { hubId } from '../engine/hub/hub-source.js';
import { parseHubId } from '../engine/loading/model-source.js';
import { explainStartFailure } from './explain.js';
import { parseCommand, USAGE, type ModelsCommand } from './models/arguments.js';
import { checkModel } from './models/check.js';
import { pullModel } from './models/pull.js';
import { findSubject, hubOf } from './models/subject.js';
import { listTable } from './models/texts.js';
import { UsageError } from './usage-error.js';

async function execute(command: ModelsCommand): Promise<void> {
  switch (command.kind) {
    case 'help':
      return print(USAGE.trimEnd());
    case 'list':
      return list();
    case 'pull':
      return pullModel(command.what, { ...command, config: loadConfig(), terminal: process.stderr, print });
    case 'check':
      return checkModel(command.what, { ...command, config: loadConfig(), print });
    case 'rm':
      return remove(command);
    default:
      return command satisfies never;
  }
}

async function list(): Promise<void> {
  const { models, hub } = loadConfig();
  const users = new Map<string, string[]>();
  for (const { name, source } of models) {
    const parsed = parseHubId(source);
    if (!parsed || existsSync(source)) continue;
    users.set(hubId(parsed), [...(users.get(hubId(parsed)) ?? []), name]);
  }
  process.stdout.write(listTable(await listCache(hub.cacheDir), users, hub.cacheDir));
}

async function remove({ what, force }: Extract<ModelsCommand, { kind: 'rm' }>): Promise<void> {
  const config = loadConfig();
  const source = hubOf(what, findSubject(what, config));
  const { cacheDir } = config.hub;
  const folder = folderOf(cacheDir, source);
  if (!existsSync(folder)) throw new UsageError(`${hubId(source)} isn't in the cache (${cacheDir}).`);
  await removeCached(source, folder, { force });
  print(`${hubId(source)} is deleted from ${cacheDir}`);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function explain(error: unknown): string {
  return error instanceof UsageError || error instanceof ResidentError
    ? error.message
    : explainStartFailure(error);
}

try {
  await execute(parseCommand(process.argv.slice(2)));
} catch (error) {
  process.stderr.write(`models: ${explain(error)}\n`);
  process.exit(1);
}

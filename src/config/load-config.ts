import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { StartError } from '../start-error.js';
import { configSchema, type ResidentConfig } from './config.schema.js';

/** The configuration is wrong: the message names each offending key, and the file or variable it comes from. */
export class ConfigError extends StartError {
  override readonly name = 'ConfigError';
}

/** The configuration with every path absolute and every default filled in. */
export type LoadedConfig = ResidentConfig & {
  hub: {
    cacheDir: string;
    /** HF_TOKEN, or HF_ACCESS_TOKEN: from the environment alone, so that no file holds it. */
    token?: string;
  };
};

type Tree = { [key: string]: unknown };

/** Of the application's root folder: here is `<root>/src/config` or `<root>/dist/config`. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DEFAULTS = join(ROOT, 'config', 'default.yaml');

/**
 * Reads `config/default.yaml`, overlays the file named by `RESIDENT_CONFIG`, then `HOST`, `PORT`, `LOG_LEVEL`,
 * `RESIDENT_DATA`, `DATABASE_URL`, `REDIS_URL`, `RESIDENT_ADMIN_KEY`, `HF_ENDPOINT`, `HF_HUB_OFFLINE` and `HF_TOKEN`. This is the only reader of the environment. Maps are merged; lists and values are replaced.
 * @param platform what is different by default where the program runs, over `config/default.yaml`
 * @throws ConfigError
 */
export function loadConfig(env: NodeJS.ProcessEnv = process.env, platform: Tree = {}): LoadedConfig {
  const defaults = merge(readYaml(DEFAULTS), platform);
  const file = env['RESIDENT_CONFIG'] ? readYaml(resolve(env['RESIDENT_CONFIG'])) : {};
  const merged = merge(merge(withRootedSources(defaults), file), environmentTree(env));
  const config = validate(merged, env);
  return {
    ...config,
    hub: {
      ...config.hub,
      cacheDir: resolve(config.hub.cacheDir ?? join(userCacheDir(env), 'resident')),
      ...hubToken(env),
    },
    ...dataPaths(config),
  };
}

function readYaml(path: string): Tree {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new ConfigError(
      `The configuration file ${path} can't be read: ${(error as NodeJS.ErrnoException).code}.`,
    );
  }
  let tree: unknown;
  try {
    tree = parse(text) ?? {};
  } catch (error) {
    throw new ConfigError(
      `The configuration file ${path} is not valid YAML: ${(error as Error).message.split('\n', 1)[0]}`,
    );
  }
  if (!isTree(tree)) throw new ConfigError(`The configuration file ${path} must hold keys and values.`);
  return tree;
}

/** The shipped model is found wherever the server is started from; other paths are relative to the working directory. */
function withRootedSources(defaults: Tree): Tree {
  const models = defaults['models'] as { source: string }[];
  return { ...defaults, models: models.map((model) => ({ ...model, source: resolve(ROOT, model.source) })) };
}

function environmentTree(env: NodeJS.ProcessEnv): Tree {
  const tree: Tree = {};
  const server: Tree = {};
  if (env['HOST']) server['host'] = env['HOST'];
  // what is not a number is left as it is: the schema names it
  if (env['PORT']) server['port'] = /^\d+$/.test(env['PORT']) ? Number(env['PORT']) : env['PORT'];
  if (Object.keys(server).length > 0) tree['server'] = server;
  if (env['LOG_LEVEL']) tree['log'] = { level: env['LOG_LEVEL'] };
  if (env['RESIDENT_DATA']) tree['data'] = env['RESIDENT_DATA'];
  if (env['DATABASE_URL']) tree['storage'] = { url: env['DATABASE_URL'] };
  if (env['REDIS_URL']) tree['redis'] = { url: env['REDIS_URL'] };
  const hub: Tree = {};
  if (env['HF_ENDPOINT']) hub['endpoint'] = env['HF_ENDPOINT'];
  // what the hub's other programs take for yes
  if (env['HF_HUB_OFFLINE']) hub['offline'] = /^(1|on|yes|true)$/i.test(env['HF_HUB_OFFLINE']);
  if (Object.keys(hub).length > 0) tree['hub'] = hub;
  if (env['RESIDENT_ADMIN_KEY']) tree['admin'] = { key: env['RESIDENT_ADMIN_KEY'] };
  return tree;
}

/** @throws ConfigError, which doesn't show it, if it can't be one */
function hubToken(env: NodeJS.ProcessEnv): { token?: string } {
  const variable = env['HF_TOKEN']?.trim() ? 'HF_TOKEN' : 'HF_ACCESS_TOKEN';
  const token = env[variable]?.trim();
  if (!token) return {};
  if (/^[\x21-\x7e]+$/.test(token)) return { token };
  throw new ConfigError(`${variable} is no token: it holds blanks or characters that no token has.`);
}

function merge(base: Tree, overlay: Tree): Tree {
  const merged: Tree = { ...base };
  for (const [key, value] of Object.entries(overlay)) {
    const under = merged[key];
    merged[key] = isTree(under) && isTree(value) ? merge(under, value) : value;
  }
  return merged;
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function validate(tree: Tree, env: NodeJS.ProcessEnv): ResidentConfig {
  const result = configSchema.safeParse(tree);
  if (result.success) return result.data;
  const origin = env['RESIDENT_CONFIG'] ? ` (file ${resolve(env['RESIDENT_CONFIG'])})` : '';
  const problems = result.error.issues.map((issue) => describeIssue(issue, env));
  throw new ConfigError(`The configuration is wrong${origin}: ${problems.join('; ')}.`);
}

const VARIABLES: Readonly<Record<string, string>> = {
  'server.host': 'HOST',
  'server.port': 'PORT',
  'log.level': 'LOG_LEVEL',
  data: 'RESIDENT_DATA',
};

/** Whose values aren't shown. */
const SECRETS: Readonly<Record<string, string>> = {
  'storage.url': 'DATABASE_URL',
  'redis.url': 'REDIS_URL',
  'admin.key': 'RESIDENT_ADMIN_KEY',
  'hub.endpoint': 'HF_ENDPOINT',
};

function describeIssue(issue: z.core.$ZodIssue, env: NodeJS.ProcessEnv): string {
  const key = z.core.toDotPath(issue.path);
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((name) => `unknown key ${z.core.toDotPath([...issue.path, name])}`).join('; ');
  }
  const variable = VARIABLES[key];
  const secret = SECRETS[key];
  const from =
    variable && env[variable]
      ? ` (from ${variable}=${env[variable]})`
      : secret && env[secret]
        ? ` (from ${secret})`
        : '';
  return `${key}${from}: ${issue.message}`;
}

function userCacheDir(env: NodeJS.ProcessEnv): string {
  if (env['XDG_CACHE_HOME']) return env['XDG_CACHE_HOME'];
  switch (process.platform) {
    case 'darwin':
      return join(homedir(), 'Library', 'Caches');
    case 'win32':
      return env['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local');
    default:
      return join(homedir(), '.cache');
  }
}

function dataPaths({
  data,
  batch,
  storage,
}: ResidentConfig): Pick<ResidentConfig, 'data' | 'batch' | 'storage'> {
  const root = resolve(data);
  const { inbox, outbox, done } = batch;
  return {
    data: root,
    storage: {
      ...storage,
      database: resolve(root, storage.database),
      files: resolve(root, storage.files),
    },
    batch: {
      ...batch,
      inbox: resolve(root, inbox),
      outbox: resolve(root, outbox),
      done: resolve(root, done),
    },
  };
}

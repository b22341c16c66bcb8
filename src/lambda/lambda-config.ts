import { loadConfig, type LoadedConfig } from '../config/load-config.js';

/** Where a function may write: nowhere else, and what it writes there lasts as long as the execution environment. */
const WRITABLE = '/tmp/resident';

/**
 * The configuration of a function: what `loadConfig` reads, with everything that changes under `/tmp` unless it says otherwise.
 * @throws ConfigError
 */
export function loadLambdaConfig(env: NodeJS.ProcessEnv = process.env): LoadedConfig {
  return loadConfig(env, {
    data: `${WRITABLE}/data`,
    hub: { cacheDir: `${WRITABLE}/cache` },
    // nobody looks into the inbox of a function
    batch: { cron: null },
  });
}

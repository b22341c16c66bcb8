import { ModelLoadError, ResidentError, UnavailableError, messageOf } from '../errors.js';
import type { LoadedModelInfo, ModelSpec } from '../types.js';
import type { EngineLog } from './engine.js';

/** Says what each load came to; what was the same with the load before isn't said again. */
export class LoadLog {
  readonly #name: string;
  readonly #log: EngineLog;
  #told: readonly string[] = [];

  constructor(name: string, log: EngineLog) {
    this.#name = name;
    this.#log = log;
  }

  loaded(info: LoadedModelInfo): void {
    const name = this.#name;
    this.#log.info(loadedLine(name, info));
    const reasons = [info.deviceReason, info.dtypeReason].filter((reason) => reason !== undefined).join(' ');
    const slower = info.kvCacheReason === undefined ? [] : [slowerWarning(name, info.kvCacheReason)];
    const warnings = [...slower, ...(info.warnings ?? []).map((warning) => `'${name}': ${warning}`)];
    if (reasons !== '') this.#tell('info', `'${name}': ${reasons}`);
    for (const warning of warnings) this.#tell('warn', warning);
    this.#told = [`'${name}': ${reasons}`, ...warnings];
  }

  #tell(level: 'info' | 'warn', line: string): void {
    if (!this.#told.includes(line)) this.#log[level](line);
  }
}

function loadedLine(name: string, info: LoadedModelInfo): string {
  return `'${name}' is resident: ${info.device}, ${info.dtype}, ${sizesOf(info)}, loaded in ${info.loadMs} ms (instance ${info.instanceId})`;
}

function sizesOf(info: LoadedModelInfo): string {
  if (info.kvCache !== undefined)
    return `context ${info.contextLength}, KV cache ${info.kvCache} for ${info.kvCacheTokens} tokens`;
  const inputs = `inputs of up to ${info.maxInputTokens} tokens`;
  if (info.dimensions !== undefined) return `${inputs}, ${info.dimensions} dimensions`;
  return info.labels === undefined ? inputs : `${inputs}, ${info.labels.length} labels`;
}

function slowerWarning(name: string, reason: string): string {
  return `'${name}' runs one sequence at a time, because its KV cache can't be kept in place: ${reason}. Set kvCache: plain to say that this is meant.`;
}

/** @param degraded what ails it; undefined: it is well again */
export function conditionLine(name: string, degraded: string | undefined): string {
  return degraded === undefined ? `'${name}' is well again` : `'${name}' is degraded: ${degraded}`;
}

export function loadError(spec: ModelSpec, error: unknown): ModelLoadError {
  const code = error instanceof ModelLoadError ? error.code : 'model_load_failed';
  return new ModelLoadError(code, `Model '${spec.name}': ${messageOf(error)}`, { cause: error });
}

/**
 * @param how goes on after "the engine process …"
 * @param lastWords what it wrote last, if anything
 */
export function diedLoading(how: string, lastWords: readonly string[]): ModelLoadError {
  const said = lastWords.length > 0 ? ` Its last words: ${lastWords.join(' / ')}` : '';
  return new ModelLoadError(
    'engine_died',
    `The engine process ${how} while it loaded the model. Most often that is want of memory or a driver: free memory, take smaller ` +
      `weights, or set device: cpu.${said}`,
  );
}

export function draining(): UnavailableError {
  return new UnavailableError('server_draining', 'The server is shutting down.');
}

/** @param again whether it was loaded before */
export function notYet(name: string, again: boolean): UnavailableError {
  return again
    ? new UnavailableError('engine_restarting', `The engine of '${name}' is restarting. Try again shortly.`)
    : new UnavailableError('model_loading', `The model '${name}' is still loading. Try again shortly.`);
}

export function unloaded(name: string): UnavailableError {
  return new UnavailableError(
    'engine_restarting',
    `The model '${name}' was unloaded before this request ended. Send it again.`,
  );
}

export function noRoom(name: string): ModelLoadError {
  return new ModelLoadError(
    'insufficient_memory',
    `There is no room for a second '${name}' beside the first.`,
  );
}

export function diedTooOften(name: string, times: number): ResidentError {
  return new ResidentError(
    'engine_failed',
    `The engine of '${name}' died ${times} times in a row. The server's log says how; POST /v1/models/${name}/load starts it again.`,
  );
}

/** What is added to the reason why a load failed. */
export function nextTry(waitMs: number): string {
  return `The next try is made by a request in ${Math.ceil(waitMs / 1000)} s or later.`;
}

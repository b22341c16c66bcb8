import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import type { LoadedConfig } from '../../config/load-config.js';
import type { HubSource } from '../../engine/hub/hub-source.js';
import { parseHubId, parseModelSource } from '../../engine/loading/model-source.js';
import { UsageError } from '../usage-error.js';

export type ConfiguredModel = LoadedConfig['models'][number];

/** A model that a command is about. */
export interface Subject {
  /** undefined: it is an id or a folder that the configuration doesn't name. */
  readonly model: ConfiguredModel | undefined;
  /** undefined: its source is a folder. */
  readonly hub: HubSource | undefined;
  /** Where it comes from: a folder or an id. */
  readonly source: string;
}

/**
 * Finds what was typed: the name or an alias of a configured model, its source, a folder, or a Hugging Face id.
 * @throws UsageError if it is none of them; ModelLoadError if the source of a configured model is wrong
 */
export function findSubject(what: string, { models }: Pick<LoadedConfig, 'models'>): Subject {
  const model =
    models.find(({ name, aliases = [] }) => name === what || aliases.includes(what)) ??
    models.find(({ source }) => source === what);
  const source = model?.source ?? what;
  if (model || existsSync(what) || parseHubId(what)) {
    const parsed = parseModelSource(source);
    return { model, hub: parsed.kind === 'hub' ? parsed : undefined, source };
  }
  const names = models.map(({ name }) => name).join(', ');
  throw new UsageError(
    `'${what}' is neither a configured model (${names}) nor a folder, nor a Hugging Face id like owner/name.`,
  );
}

/** @throws UsageError if the model isn't one of the hub */
export function hubOf(what: string, { hub, source }: Subject): HubSource {
  if (hub) return hub;
  throw new UsageError(`'${what}' is a folder of yours (${resolve(source)}): it isn't in the cache.`);
}

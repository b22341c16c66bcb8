import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { ModelLoadError } from '../errors.js';
import type { HubSource } from '../hub/hub-source.js';

export type ModelSource =
  { readonly kind: 'folder'; readonly path: string } | ({ readonly kind: 'hub' } & HubSource);

const HUB_ID = /^([\w][\w.-]*\/[\w.-]+)(?:@([\w./-]+))?$/;

/**
 * Tells a folder from a Hugging Face id (`owner/name`, `owner/name@revision`). A folder that exists wins; relative paths
 * are relative to the working directory.
 * @throws ModelLoadError if it is neither
 */
export function parseModelSource(source: string): ModelSource {
  const path = resolve(source);
  if (existsSync(path)) {
    if (statSync(path).isDirectory()) return { kind: 'folder', path };
    throw new ModelLoadError(
      'source_not_found',
      `'${source}' is a file; the source of a model is the folder that holds its config.json.`,
    );
  }
  const hub = parseHubId(source);
  if (hub) return { kind: 'hub', ...hub };
  throw new ModelLoadError(
    'source_not_found',
    `There is no folder ${path}. Set 'source' to a model folder, or to a Hugging Face id like owner/name.`,
  );
}

/** `owner/name`, `owner/name@revision`; undefined: it is neither. */
export function parseHubId(text: string): HubSource | undefined {
  const [, id, revision = 'main'] = HUB_ID.exec(text) ?? [];
  // it becomes a folder of the cache
  const climbs = text.split(/[/@]/).some((part) => part === '.' || part === '..');
  return id === undefined || climbs ? undefined : { id, revision };
}

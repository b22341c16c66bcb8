import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

/** What is looked at of a configuration file; the rest stays as it is, and is checked when it is loaded. */
const fileSchema = z.looseObject({
  models: z.array(z.looseObject({ name: z.string(), source: z.string() })).optional(),
  hub: z.looseObject({}).optional(),
});
const defaultsSchema = fileSchema.required({ models: true });

/**
 * Copies the models that are folders, and writes the configuration of the package: that of the file, with the folders' new places.
 * @param root the repository: the folders of the default configuration are relative to it
 * @param file a configuration file; default: the models of the default configuration
 * @returns ids of the hub among the models: they are for the package's own cache folder
 */
export function copyModels(root: string, file: string | undefined, out: string): string[] {
  const defaults = defaultsSchema.parse(readYaml(join(root, 'config/default.yaml')));
  const overlay = fileSchema.parse(file === undefined ? {} : (readYaml(resolve(file)) ?? {}));
  const base = overlay.models ? process.cwd() : root;
  const models = (overlay.models ?? defaults.models).map((model) => {
    const folder = resolve(base, model.source);
    if (!existsSync(folder)) return model;
    const source = `./models/${encodeURIComponent(model.name)}`;
    cpSync(folder, join(out, source), { recursive: true });
    return { ...model, source };
  });
  const config = { ...overlay, models, hub: { ...overlay.hub, cacheDir: './cache' } };
  // JSON is YAML
  writeFileSync(join(out, 'resident.yaml'), `${JSON.stringify(config, null, 2)}\n`);
  return models.map(({ source }) => source).filter((source) => !source.startsWith('./models/'));
}

function readYaml(path: string): unknown {
  return parse(readFileSync(path, 'utf8'));
}

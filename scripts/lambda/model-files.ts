import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';

/** What is looked at of a configuration file; the rest stays as it is, and is checked when it is loaded. */
const fileSchema = z.looseObject({
  models: z
    .array(z.looseObject({ name: z.string(), source: z.string(), device: z.string().default('auto') }))
    .optional(),
  hub: z.looseObject({}).optional(),
});
const defaultsSchema = fileSchema.required({ models: true });

/**
 * Copies the models that are folders, and writes the configuration of the package: that of the file, with the folders' new places, and
 * the CPU for `device: auto`.
 * @param root the repository: the folders of the default configuration are relative to it
 * @param file a configuration file; default: the models of the default configuration
 * @returns ids of the hub among the models: they are for the package's own cache folder
 */
export function copyModels(root: string, file: string | undefined, out: string): string[] {
  const defaults = defaultsSchema.parse(readYaml(join(root, 'config/default.yaml')));
  const overlay = fileSchema.parse(file === undefined ? {} : (readYaml(resolve(file)) ?? {}));
  const base = overlay.models ? process.cwd() : root;
  const models = (overlay.models ?? defaults.models).map(withoutGpu).map((model) => {
    const folder = resolve(base, model.source);
    if (!existsSync(folder)) return model;
    const source = `./models/${encodeURIComponent(model.name)}`;
    copyFolder(folder, join(out, source));
    return { ...model, source };
  });
  const config = { ...overlay, models, hub: { ...overlay.hub, cacheDir: './cache' } };
  // JSON is YAML
  writeFileSync(join(out, 'resident.yaml'), `${JSON.stringify(config, null, 2)}\n`);
  return models.map(({ source }) => source).filter((source) => !source.startsWith('./models/'));
}

/** Functions have no GPU, though the machine that makes their package may: it would choose other weights. */
function withoutGpu<T extends { readonly device: string }>(model: T): T {
  return model.device === 'auto' ? { ...model, device: 'cpu' } : model;
}

/** Links become what they lead to: where the package goes it isn't there. */
function copyFolder(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) {
    const path = join(from, name);
    if (statSync(path).isDirectory()) copyFolder(path, join(to, name));
    else copyFileSync(path, join(to, name));
  }
}

function readYaml(path: string): unknown {
  return parse(readFileSync(path, 'utf8'));
}

import { realpath } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize, relative, sep } from 'node:path';
import { DataLocation, type ModelProto, type TensorProto } from './proto/index.js';

/** Where ONNX Runtime finds a graph's weights. */
export interface WeightFolder {
  readonly folder: string;
  /** From the names that the graph has to paths below `folder`. */
  readonly paths: ReadonlyMap<string, string>;
}

/** Names of the files that hold a graph's external weights, relative to the folder of the model file. */
export function weightFilesOf({ graph }: ModelProto): string[] {
  return [...new Set((graph?.initializer ?? []).map(locationOf).filter((name) => name !== undefined))];
}

/**
 * Finds the weights. A download cache may keep a model as symbolic links into another folder, which ONNX Runtime refuses to follow
 * out of the folder it is given; so it gets the real files and the folder that they have in common.
 * @throws Error where a file is missing, or the graph names one outside the model's folder
 */
export async function locateWeights(
  modelFile: string,
  weightFiles: readonly string[],
): Promise<WeightFolder> {
  const folder = dirname(modelFile);
  const outside = weightFiles.find((name) => isAbsolute(name) || normalize(name).split(sep)[0] === '..');
  if (outside !== undefined) throw new Error(`the graph has weights outside its folder, in '${outside}'`);
  const files = await Promise.all(weightFiles.map((name) => realpath(join(folder, name))));
  const common = files.map((file) => dirname(file)).reduce(commonFolder, dirname(files[0] ?? modelFile));
  const paths = weightFiles.map((name, i) => [name, relative(common, files[i]!)] as const);
  return { folder: common, paths: new Map(paths) };
}

/** The model with other names for its files of weights. */
export function withWeightFiles(model: ModelProto, paths: ReadonlyMap<string, string>): ModelProto {
  if (model.graph === undefined) return model;
  const initializer = model.graph.initializer.map((tensor) => {
    const path = paths.get(locationOf(tensor) ?? '');
    if (path === undefined) return tensor;
    const externalData = tensor.externalData.map((entry) =>
      entry.key === 'location' ? { ...entry, value: path } : entry,
    );
    return { ...tensor, externalData };
  });
  return { ...model, graph: { ...model.graph, initializer } };
}

function locationOf({ dataLocation, externalData }: TensorProto): string | undefined {
  if (dataLocation !== DataLocation.EXTERNAL) return undefined;
  return externalData.find(({ key }) => key === 'location')?.value;
}

function commonFolder(a: string, b: string): string {
  let folder = a;
  while (folder !== b && !b.startsWith(folder.endsWith(sep) ? folder : folder + sep))
    folder = dirname(folder);
  return folder;
}

import { openHubModel } from '../hub/hub-model.js';
import type { ConcreteDtype, Dtype, HubOptions, LoadContext } from '../types.js';
import { checkModelFolder, checkModelJson, weightsInFolder } from './model-folder.js';
import { parseModelSource } from './model-source.js';

/** A model's files: everything but its weights is in `folder`, and the weights are once they are fetched. */
export interface ModelFiles {
  /** Where Transformers.js finds it. */
  readonly folder: string;
  /** Of a model from the hub: the commit its files are of, if that is known. */
  readonly commit: string | undefined;
  /** What it has weights in, with their bytes, external data included. */
  readonly weights: ReadonlyMap<ConcreteDtype, number>;
  /** Those of them that are in `folder` already: what can be had without the hub. */
  readonly fetched: ReadonlyMap<ConcreteDtype, number>;
  /**
   * Makes sure that the weights are in `folder`. Several processes that want them at once download them once.
   * @throws ModelLoadError
   */
  fetch(dtype: ConcreteDtype): Promise<void>;
  /** Tells others that this process uses the model, until the function is called or the process ends. */
  hold(): () => void;
}

/**
 * Finds a model, and fetches its configuration and tokenizer if it is on the hub. What is complete in the cache is taken without a
 * network.
 * @param source a folder, or a Hugging Face id
 * @param asked the weights that are wanted, to be fetched later
 * @throws ModelLoadError: one sentence that says what is wrong and what to do
 */
export async function openModelFiles(
  source: string,
  hub: HubOptions,
  { onProgress, asked }: { readonly onProgress: LoadContext['onProgress']; readonly asked: Dtype },
): Promise<ModelFiles> {
  const parsed = parseModelSource(source);
  switch (parsed.kind) {
    case 'folder':
      return folderFiles(parsed.path);
    case 'hub':
      return openFromHub(parsed, hub, onProgress, { asked });
    default:
      return parsed satisfies never;
  }
}

async function openFromHub(...of: Parameters<typeof openHubModel>): Promise<ModelFiles> {
  const model = await openHubModel(...of);
  checkModelJson(model.folder);
  return model;
}

function folderFiles(folder: string): ModelFiles {
  checkModelFolder(folder);
  const weights = weightsInFolder(folder);
  return {
    folder,
    commit: undefined,
    weights,
    fetched: weights,
    fetch: () => Promise.resolve(),
    hold: () => () => undefined,
  };
}

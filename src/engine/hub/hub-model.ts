import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ModelLoadError } from '../errors.js';
import type { ConcreteDtype, Dtype, HubOptions, LoadProgress } from '../types.js';
import {
  NOTES,
  fetchedWeights,
  folderOf,
  missingFiles,
  readManifest,
  type Manifest,
} from './cache-folder.js';
import type { LockTimes } from './cache-lock.js';
import { fetchFiles } from './fetch-files.js';
import type { RepositoryFile } from './file-identity.js';
import { HubClient, type HubPace } from './hub-client.js';
import { offlineAndAbsent, offlineByChoice } from './hub-errors.js';
import { hubId, type HubSource } from './hub-source.js';
import { listModel, type Listing } from './listing.js';
import { REQUIRED_FILES, graphFile, isSmallFile, isWeightsOf, weightsAmong } from './needed-files.js';
import { markUse } from './use-mark.js';

/** What tests make shorter. */
export interface HubSettings {
  readonly pace?: HubPace;
  readonly lockTimes?: LockTimes;
}

type Weights = ReadonlyMap<ConcreteDtype, number>;

/**
 * A model of the hub, in the cache: its configuration and tokenizer are there once it is open. The hub is asked only if something
 * is missing; then all is brought to what it has now.
 */
export class HubModel {
  readonly folder: string;
  readonly #source: HubSource;
  readonly #hub: HubOptions;
  readonly #onProgress: (progress: LoadProgress) => void;
  readonly #settings: HubSettings;
  /** undefined: the files were put there by another program, and the hub couldn't be asked about them. */
  #manifest: Manifest | undefined;
  #listing: Listing | undefined;
  #fetched: Weights = new Map();

  constructor(
    source: HubSource,
    hub: HubOptions,
    onProgress: (progress: LoadProgress) => void,
    settings: HubSettings = {},
  ) {
    this.folder = folderOf(hub.cacheDir, source);
    this.#source = source;
    this.#hub = hub;
    this.#onProgress = onProgress;
    this.#settings = settings;
  }

  get commit(): string | undefined {
    return this.#manifest?.commit;
  }

  /** What there are weights in, with their bytes, external data included. */
  get weights(): Weights {
    return this.#manifest && !this.#hub.offline ? weightsAmong(this.#manifest.files) : this.#fetched;
  }

  /** Those that are in the folder. */
  get fetched(): Weights {
    return this.#fetched;
  }

  /**
   * Finds it in the cache, or fetches what isn't weights.
   * @param asked weights that are wanted: if they weren't there when the hub was asked last, it is asked again
   */
  async open(asked: Dtype = 'auto'): Promise<void> {
    const known = await readManifest(this.folder);
    const suffices = known && (asked === 'auto' || this.#hub.offline || weightsAmong(known.files).has(asked));
    if (suffices && (await this.#isComplete(known, undefined))) this.#manifest = known;
    else if (this.#hub.offline) this.#takeFolder(() => this.#absent('Its configuration or tokenizer'));
    else await this.#fetchOr((error) => this.#takeFolder(() => error));
    this.#fetched = await fetchedWeights(this.folder, this.#manifest);
  }

  /**
   * Makes sure that the weights are in the folder.
   * @throws ModelLoadError
   */
  async fetch(dtype: ConcreteDtype): Promise<void> {
    if (this.#manifest ? await this.#isComplete(this.#manifest, dtype) : this.#fetched.has(dtype)) return;
    if (this.#hub.offline) throw this.#absent(graphFile(dtype));
    await this.#sync({ dtype });
    this.#fetched = await fetchedWeights(this.folder, this.#manifest);
  }

  /**
   * Brings the folder to what the hub has now, and checks the content of every file.
   * @throws ModelLoadError
   */
  async refresh(dtype?: ConcreteDtype): Promise<void> {
    if (this.#hub.offline) throw offlineByChoice(this.#source);
    await this.#sync({ dtype, recheck: true });
    this.#fetched = await fetchedWeights(this.folder, this.#manifest);
  }

  /** @returns takes it back */
  hold(): () => void {
    return markUse(this.folder);
  }

  async #sync({
    dtype,
    recheck = false,
  }: {
    dtype: ConcreteDtype | undefined;
    recheck?: boolean;
  }): Promise<void> {
    const client = new HubClient(this.#source, this.#hub, this.#settings.pace);
    this.#listing ??= await listModel(client, this.#source);
    const files = needed(this.#listing.files, dtype);
    this.#checkListing(this.#listing, dtype);
    this.#manifest = await fetchFiles({
      client,
      source: this.#source,
      folder: this.folder,
      listing: this.#listing,
      files,
      recheck,
      onProgress: this.#onProgress,
      lockTimes: this.#settings.lockTimes,
    });
  }

  async #fetchOr(unreachable: (error: ModelLoadError) => void): Promise<void> {
    try {
      await this.#sync({ dtype: undefined });
    } catch (error) {
      if (!(error instanceof ModelLoadError) || error.code !== 'hub_unreachable') throw error;
      unreachable(error);
    }
  }

  /** What another program has left there, for example Transformers.js by itself. */
  #takeFolder(otherwise: () => ModelLoadError): void {
    const isThere = REQUIRED_FILES.every((name) => existsSync(join(this.folder, name)));
    if (!isThere || existsSync(join(this.folder, NOTES, 'manifest.json'))) throw otherwise();
  }

  async #isComplete(manifest: Manifest, dtype: ConcreteDtype | undefined): Promise<boolean> {
    const files = needed(manifest.files, dtype);
    const paths = new Set(files.map(({ path }) => path));
    const named = [...REQUIRED_FILES, ...(dtype === undefined ? [] : [graphFile(dtype)])];
    return (
      named.every((path) => paths.has(path)) &&
      (await missingFiles(this.folder, manifest, files)).length === 0
    );
  }

  #checkListing({ files }: Listing, dtype: ConcreteDtype | undefined): void {
    const paths = new Set(files.map(({ path }) => path));
    const where = `${hubId(this.#source)} on ${this.#hub.endpoint}`;
    const missing = REQUIRED_FILES.find((name) => !paths.has(name));
    if (missing !== undefined)
      throw new ModelLoadError(
        missing === 'tokenizer.json' ? 'tokenizer_not_found' : 'source_not_found',
        `${where} has no ${missing}. Take a model for Transformers.js, for example from onnx-community: it holds config.json, ` +
          `tokenizer.json and onnx/.`,
      );
    const weights = weightsAmong(files);
    if (weights.size === 0)
      throw new ModelLoadError(
        'weights_not_found',
        `${where} has no ONNX weights (onnx/model.onnx, onnx/model_quantized.onnx or another dtype of it). Take an export for ` +
          `Transformers.js, for example from onnx-community.`,
      );
    if (dtype !== undefined && !weights.has(dtype))
      throw new ModelLoadError(
        'weights_not_found',
        `${where} has no weights of dtype '${dtype}'. Available: ${[...weights.keys()].join(', ')}; or set dtype: auto.`,
      );
  }

  #absent(what: string): ModelLoadError {
    return offlineAndAbsent(this.#source, what, this.folder);
  }
}

/** What a load reads. @param dtype undefined: all but the weights */
function needed(files: readonly RepositoryFile[], dtype: ConcreteDtype | undefined): RepositoryFile[] {
  return files.filter(({ path }) => isSmallFile(path) || (dtype !== undefined && isWeightsOf(dtype, path)));
}

/** @throws ModelLoadError */
export async function openHubModel(
  source: HubSource,
  hub: HubOptions,
  onProgress: (progress: LoadProgress) => void,
  { asked, ...settings }: HubSettings & { readonly asked?: Dtype } = {},
): Promise<HubModel> {
  const model = new HubModel(source, hub, onProgress, settings);
  await model.open(asked);
  return model;
}

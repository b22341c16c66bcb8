import { BLOCK_FORM } from './block-form.js';
import type { GraphForm } from './graph-form.js';
import { GraphCache, type RewrittenGraph } from './graph-cache.js';
import { readModelOutline } from './model-outline.js';
import { decodeModel, encodeModel } from './proto/index.js';
import { rewriteGraph, type GraphFacts, type UnrecognisedGraph } from './rewrite-graph.js';
import { locateWeights, weightFilesOf, withWeightFiles } from './weight-files.js';

export { rewriteGraph, type LayerShape, type Rewriting } from './rewrite-graph.js';

export interface GraphRequest {
  /** Path of the `.onnx` file. */
  readonly modelFile: string;
  /** Folder for rewritten graphs; without one, the graph is rewritten each time, and the weights need not be read for it. */
  readonly cacheDir?: string;
  /** Default: for the CPU. */
  readonly form?: GraphForm;
}

/** What `InferenceSession.create` needs: `create(model, { ...options, extra: { session: { ...yours, ...extra } } })`. */
export interface InPlaceSession {
  /** The rewritten graph, without its large weights: a few 100 KB. */
  readonly model: Uint8Array;
  /** Entries for `extra.session`: they say where the weights are, which stay in the model's own files. */
  readonly extra: Readonly<Record<string, string>>;
}

export type InPlaceGraph =
  (GraphFacts & { readonly kind: 'ready'; readonly graph: InPlaceSession }) | UnrecognisedGraph;

/**
 * Prepares a decoder for a KV cache that stays in place, see `rewriteGraph` for the graph's inputs and outputs. A file that can't be
 * read counts as unrecognised: ONNX Runtime then says what is wrong with it.
 */
export async function prepareInPlaceGraph({
  modelFile,
  cacheDir,
  form = BLOCK_FORM,
}: GraphRequest): Promise<InPlaceGraph> {
  try {
    const cache = cacheDir === undefined ? undefined : new GraphCache(cacheDir);
    const path = await cache?.pathFor(modelFile, form.name);
    const cached = path === undefined ? undefined : await cache?.read(path);
    const graph = cached ?? rewriteFile(modelFile, form);
    if (typeof graph === 'string') return { kind: 'unrecognised', reason: graph };
    if (cached === undefined && path !== undefined) await cache?.write(path, graph);
    return await locate(modelFile, graph);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { kind: 'unrecognised', reason: `the model can't be read: ${message}` };
  }
}

/** @returns the reason where the graph is not recognised */
function rewriteFile(modelFile: string, form: GraphForm): RewrittenGraph | string {
  const rewriting = rewriteGraph(readModelOutline(modelFile), form);
  if (rewriting.kind === 'unrecognised') return rewriting.reason;
  const { model, layers, vocabSize, quantizedOps } = rewriting;
  return {
    bytes: encodeModel(model),
    layers: [...layers],
    vocabSize,
    quantizedOps: [...quantizedOps],
    weightFiles: weightFilesOf(model),
  };
}

async function locate(modelFile: string, graph: RewrittenGraph): Promise<InPlaceGraph> {
  const { folder, paths } = await locateWeights(modelFile, graph.weightFiles);
  const named = [...paths].every(([name, path]) => name === path);
  return {
    kind: 'ready',
    graph: {
      model: named ? graph.bytes : encodeModel(withWeightFiles(decodeModel(graph.bytes), paths)),
      extra: { model_external_initializers_file_folder_path: folder },
    },
    layers: graph.layers,
    vocabSize: graph.vocabSize,
    quantizedOps: graph.quantizedOps,
  };
}

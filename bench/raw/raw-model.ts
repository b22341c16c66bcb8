import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { InPlaceCausalModel } from '../../src/engine/models/in-place-causal-model.js';
import { bytesPerToken } from '../../src/engine/models/in-place-memory.js';
import { prepareInPlaceGraph } from '../../src/engine/onnx/in-place-graph.js';

/** Tokens to run for one row, behind what its cache holds. */
export interface RawRow<Cache> {
  readonly cache: Cache;
  readonly tokens: readonly number[];
}

/** A model without the engine around it: the session that the engine runs, and its KV cache. */
export interface RawModel<Cache = unknown> {
  /** @param tokens all that the row begins with, if they are known already */
  createCache(tokens?: readonly number[]): Cache;
  /** Runs the rows in as few passes as the graph needs. @returns the logits behind each row's last token */
  forward(rows: readonly RawRow<Cache>[]): Promise<Float32Array[]>;
  /** The row has ended; what its cache held is free for others. */
  release(cache: Cache): void;
}

/**
 * Opens the model of a folder as the engine does, without scheduler, sampler, detokenizer and HTTP around it.
 * @param threads of one pass
 * @param cacheTokens the cache must hold as many tokens of all rows together
 */
export async function openRawModel(folder: string, threads: number, cacheTokens: number): Promise<RawModel> {
  const prepared = await prepareInPlaceGraph({ modelFile: join(folder, 'onnx', 'model_quantized.onnx') });
  if (prepared.kind === 'unrecognised') throw new Error(`the graph is not recognised: ${prepared.reason}`);
  const { graph, layers, vocabSize } = prepared;
  const session = await InferenceSession.create(graph.model, {
    intraOpNumThreads: threads,
    extra: { session: { intra_op: { allow_spinning: '1', spin_duration_us: '20' }, ...graph.extra } },
  });
  const cacheBytes = cacheTokens * bytesPerToken(layers);
  return overModel(new InPlaceCausalModel({ session, layers, vocabSize, cacheBytes, prefixCaching: false }));
}

function overModel(model: InPlaceCausalModel): RawModel<ReturnType<InPlaceCausalModel['open']>> {
  return {
    createCache: (tokens = []) => model.open(tokens),
    release: (cache) => model.close(cache),
    async forward(rows) {
      for (const { cache, tokens } of rows) {
        if (!model.reserve(cache, tokens.length)) throw new Error('the KV cache is full');
      }
      const logits = new Map<unknown, Float32Array>();
      for (const pass of model.passes(rows)) {
        const results = await model.forward(pass);
        pass.forEach(({ cache }, i) => logits.set(cache, results[i] as Float32Array));
      }
      return rows.map(({ cache }) => logits.get(cache) as Float32Array);
    },
  };
}

import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { InferenceSession, Tensor } from 'onnxruntime-node';

/** Texts a second that the session alone makes, without server, tokenizer or pooling: what batching can give at most. */
export interface BareSpeeds {
  readonly alone: number;
  readonly batched: number;
}

/** Tokens of a batch, as Resident has them on a CPU. */
const BATCH_TOKENS = 512;

/** @param lengths of the texts, in tokens */
export async function measureBare(
  folder: string,
  file: string,
  lengths: readonly number[],
): Promise<BareSpeeds> {
  const session = await InferenceSession.create(join(folder, 'onnx', file), {
    intraOpNumThreads: availableParallelism(),
  });
  try {
    const single = lengths.map((length) => [length]);
    await runAll(session, single.slice(0, 32));
    const alone = await runAll(session, single);
    const batched = await runAll(session, batchesOf(lengths));
    return { alone: lengths.length / alone, batched: lengths.length / batched };
  } finally {
    await session.release();
  }
}

/** Sorted, so that there is as good as no padding. */
function batchesOf(lengths: readonly number[]): number[][] {
  const batches: number[][] = [];
  let batch: number[] = [];
  for (const length of lengths.toSorted((a, b) => a - b)) {
    if (batch.length > 0 && (batch.length + 1) * length > BATCH_TOKENS) {
      batches.push(batch);
      batch = [];
    }
    batch.push(length);
  }
  return [...batches, batch];
}

/** @returns seconds */
async function runAll(session: InferenceSession, batches: readonly (readonly number[])[]): Promise<number> {
  const start = performance.now();
  for (const batch of batches) await session.run(feedsOf(session, batch));
  return (performance.now() - start) / 1000;
}

function feedsOf(session: InferenceSession, lengths: readonly number[]): Record<string, Tensor> {
  const dims = [lengths.length, Math.max(...lengths)];
  const size = lengths.length * Math.max(...lengths);
  return Object.fromEntries(
    session.inputNames.map((name) => {
      const value = name === 'token_type_ids' ? 0n : 1n;
      return [name, new Tensor('int64', new BigInt64Array(size).fill(value), dims)];
    }),
  );
}

import { InferenceSession } from 'onnxruntime-node';

export type CreateSession = (
  model: string | Uint8Array,
  options: InferenceSession.SessionOptions,
) => Promise<InferenceSession>;

/**
 * Runs `load` with another way to make sessions. Transformers.js downloads, caches and names a model's files, and then makes the session
 * itself; here is the only place to give it another graph over the same weights. Not to be used twice at the same time.
 * @param create gets the way that was there before
 */
export async function withSessionsBy<T>(
  create: (original: CreateSession) => CreateSession,
  load: () => Promise<T>,
): Promise<T> {
  const statics = InferenceSession as unknown as { create: CreateSession };
  const original = statics.create;
  statics.create = create(original.bind(InferenceSession));
  try {
    return await load();
  } finally {
    statics.create = original;
  }
}

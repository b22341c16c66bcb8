import type { CallOptions, ModelProvider } from '../../model/model.provider.js';

/** One letter: whatever can't answer that is ill. */
const TEXT = 'a';

/**
 * Waits until a model is loaded and has answered the smallest request there is.
 * @throws ResidentError; EngineDeadError if the engine ended on it
 */
export async function harmlessRequest(models: ModelProvider, model: string): Promise<void> {
  await models.whenLoaded(model);
  const options: CallOptions = { priority: 'background', retry: false };
  const { task } = models.describe(model);
  switch (task) {
    case 'text-generation':
      await models.complete({ model, prompt: { kind: 'text', text: TEXT }, maxTokens: 1 }, options);
      return;
    case 'feature-extraction':
      await models.embed({ model, inputs: [TEXT] }, options);
      return;
    case 'text-classification':
      await models.classify({ model, inputs: [TEXT] }, options);
      return;
    case 'reranking':
      await models.rerank({ model, query: TEXT, documents: [TEXT] }, options);
      return;
    default:
      task satisfies never;
  }
}

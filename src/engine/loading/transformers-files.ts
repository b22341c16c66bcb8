import { AutoTokenizer, LogLevel, env, type PreTrainedTokenizer } from '@huggingface/transformers';
import { join } from 'node:path';
import { ModelLoadError, messageOf } from '../errors.js';
import type { ModelSpec } from '../types.js';
import { readIfThere } from './model-json.js';

/** @throws ModelLoadError */
export async function loadTokenizer(folder: string, { source }: ModelSpec): Promise<PreTrainedTokenizer> {
  try {
    const tokenizer = await AutoTokenizer.from_pretrained(folder);
    // where newer exports keep it; Transformers.js 4.3.1 doesn't look there
    const template = await readIfThere(join(folder, 'chat_template.jinja'));
    if (template !== undefined) tokenizer.chat_template ??= template;
    return tokenizer;
  } catch (error) {
    throw new ModelLoadError(
      'tokenizer_not_found',
      `The tokenizer of '${source}' can't be loaded: ${messageOf(error)}. Fetch it again, or take another export.`,
      { cause: error },
    );
  }
}

/** Files come from the model's folder alone: what is to be downloaded has been, in one place. */
export function configureTransformers(): void {
  env.logLevel = LogLevel.ERROR;
  env.allowRemoteModels = false;
  env.useFSCache = false;
}

import type { PromptEncoding } from '../../../src/engine/generation/text-generator.js';
import { encodeLetters } from './scripted-model.js';

/** Letters to tokens; a chat is its contents, one after the other. */
export function lettersEncoder(begin: readonly number[] = []): PromptEncoding {
  return {
    encode: async (prompt) =>
      prompt.kind === 'text'
        ? [...(prompt.text === '' ? [] : begin), ...encodeLetters(prompt.text)]
        : encodeLetters(prompt.messages.map(({ content }) => content).join('')),
  };
}

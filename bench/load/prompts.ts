import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { wordsOf, type Word } from '../model/tokenizer.js';
import { seededRandom } from '../support/seeded-random.js';

/** A prompt for all systems: the servers take the text, what has no tokenizer the tokens. */
export interface Prompt {
  readonly text: string;
  readonly tokens: readonly number[];
}

/** What the tokenizer of `tales` learned; a generated model's words behind it stand in no text. */
const LEARNED_TOKENS = 4096;

/** Writes prompts of an exact number of tokens, no two alike from their first words on: no prefix can be shared. */
export class PromptWriter {
  readonly #words: readonly Word[];

  constructor(words: readonly Word[]) {
    this.#words = words;
  }

  /** @param folder the model's, whose tokenizer must be that of `tales`, or one made of it */
  static forModel(folder: string): PromptWriter {
    const tokenizer = JSON.parse(readFileSync(join(folder, 'tokenizer.json'), 'utf8')) as Parameters<
      typeof wordsOf
    >[0];
    return new PromptWriter(wordsOf(tokenizer, LEARNED_TOKENS));
  }

  /** The same seed and length, the same prompt. */
  write(seed: string, length: number): Prompt {
    const random = seededRandom(seed);
    const words = Array.from(
      { length },
      () => this.#words[Math.floor(random() * this.#words.length)] as Word,
    );
    return { text: words.map(({ text }) => text).join(''), tokens: words.map(({ token }) => token) };
  }
}

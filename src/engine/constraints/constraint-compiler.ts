import { setImmediate as nextTurn } from 'node:timers/promises';
import { InvalidRequestError } from '../errors.js';
import type { ToolSupport } from '../tools/tool-support.js';
import type { Constraint, ToolFormat } from '../types.js';
import { Automaton } from './automaton.js';
import { grammarOf } from './constraint-grammar.js';
import { checkGrammar, withoutDeadEnds } from './grammar-check.js';
import { MaskCache } from './mask-cache.js';
import { buildNetwork } from './network.js';
import { GrammarError } from './pattern.js';
import { TokenConstraint } from './token-constraint.js';
import { TokenTrie, type TokenBytes } from './token-trie.js';

/** Schemas are compiled on the thread of the step loop: so much text (UTF-16 code units) takes a few milliseconds. */
const MOST_SCHEMA_LENGTH = 65_536;
const MOST_GRAMMARS = 32;
const MASK_BYTES = 64 * 2 ** 20;

export interface ConstraintCompilerOptions {
  /** What each token adds to a text; undefined: the tokenizer is of a kind whose tokens have no text of their own. */
  readonly tokens: () => readonly TokenBytes[] | undefined;
  /** Logits of the model. */
  readonly vocabSize: number;
  /** How the model calls tools, if it does. */
  readonly tools?: ToolSupport | undefined;
}

/** Makes constraints for one model. What it needs of the vocabulary is built with the first one. */
export class ConstraintCompiler {
  readonly #options: ConstraintCompilerOptions;
  readonly #masks: MaskCache;
  /** Least recently used first. */
  readonly #automata = new Map<string, Automaton>();
  #trie: Promise<TokenTrie> | undefined;

  constructor(options: ConstraintCompilerOptions) {
    this.#options = options;
    this.#masks = new MaskCache(Math.max(64, Math.floor(MASK_BYTES / (options.vocabSize / 8))));
  }

  /** @throws InvalidRequestError if it can't be enforced: because of what it says, or of the model's tokenizer */
  async compile(constraint: Constraint): Promise<TokenConstraint> {
    const automaton = this.#automatonOf(constraint);
    this.#trie ??= this.#buildTrie();
    // their text is only seen in calls
    const hidden = constraint.kind === 'tool-calls' ? [] : [...(this.#options.tools?.markers.keys() ?? [])];
    return new TokenConstraint({ automaton, trie: await this.#trie, masks: this.#masks, hidden });
  }

  #automatonOf(constraint: Constraint): Automaton {
    const key = JSON.stringify(constraint);
    if (key.length > MOST_SCHEMA_LENGTH) {
      throw refusal(constraint, `it is larger than ${MOST_SCHEMA_LENGTH} characters`);
    }
    const automaton = this.#automata.get(key) ?? build(constraint, this.#options.tools?.format);
    this.#automata.delete(key); // to the end of the order
    this.#automata.set(key, automaton);
    const [oldest] = this.#automata.keys();
    if (this.#automata.size > MOST_GRAMMARS && oldest !== undefined) this.#automata.delete(oldest);
    return automaton;
  }

  async #buildTrie(): Promise<TokenTrie> {
    await nextTurn();
    const tokens = this.#options.tokens();
    if (!tokens) {
      throw new InvalidRequestError(
        'unsupported_parameter',
        "This model's tokenizer is of a kind that constrained output (response_format, tool_choice) is not supported with.",
        { param: 'response_format' },
      );
    }
    return new TokenTrie(tokens, this.#options.vocabSize);
  }
}

function build(constraint: Constraint, toolFormat: ToolFormat | undefined): Automaton {
  try {
    const grammar = withoutDeadEnds(grammarOf(constraint, toolFormat));
    checkGrammar(grammar);
    return new Automaton(buildNetwork(grammar));
  } catch (error) {
    if (error instanceof GrammarError) throw refusal(constraint, error.message);
    throw error;
  }
}

function refusal({ kind }: Constraint, why: string): InvalidRequestError {
  const param = kind === 'tool-calls' ? 'tools' : 'response_format';
  return new InvalidRequestError('invalid_value', `The schema in '${param}' can't be used: ${why}.`, {
    param,
  });
}

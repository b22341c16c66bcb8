import { setImmediate as nextTurn } from 'node:timers/promises';
import { InvalidRequestError } from '../errors.js';
import { isTooDeep } from '../nesting.js';
import { once } from '../once.js';
import type { ToolSupport } from '../tools/tool-support.js';
import type { Constraint } from '../types.js';
import { Automaton } from './automaton.js';
import { grammarOf } from './constraint-grammar.js';
import { buildNetwork } from './network.js';
import { GrammarError } from './pattern.js';
import { TokenConstraint } from './token-constraint.js';
import { TokenTrie, type TokenBytes } from './token-trie.js';

/** Schemas are compiled on the thread of the step loop: so much text (UTF-16 code units) takes a few milliseconds. */
const MOST_SCHEMA_LENGTH = 65_536;
const MOST_GRAMMARS = 32;
/** What kept grammars have found out, together, in bytes. */
const MOST_BYTES = 128 * 2 ** 20;

type Tokens = readonly TokenBytes[] | undefined;

export interface ConstraintCompilerOptions {
  /**
   * What each token adds to a text; undefined: the tokenizer is of a kind whose tokens have no text of their own. A function is called
   * when the first constraint needs them.
   */
  readonly tokens: Tokens | (() => Tokens);
  /** Logits of the model. */
  readonly vocabSize: number;
  /** How the model calls tools, if it does. */
  readonly tools?: ToolSupport | undefined;
}

/** Makes constraints for one model. */
export class ConstraintCompiler {
  readonly #trie: () => TokenTrie | undefined;
  readonly #tools: ToolSupport | undefined;
  /** Least recently used first. */
  readonly #automata = new Map<string, Automaton>();
  #turn: Promise<void> = Promise.resolve();

  constructor({ tokens, vocabSize, tools }: ConstraintCompilerOptions) {
    this.#trie = once(() => {
      const list = typeof tokens === 'function' ? tokens() : tokens;
      return list && new TokenTrie(list, vocabSize);
    });
    // it takes as long as some steps of the model
    if (typeof tokens !== 'function') this.#trie();
    this.#tools = tools;
  }

  /** @throws InvalidRequestError if it can't be enforced: because of what it says, or of the model's tokenizer */
  async compile(constraint: Constraint): Promise<TokenConstraint> {
    const trie = this.#trie();
    if (!trie) throw tokenizerError(constraint);
    if (isTooDeep(constraint)) throw refusal(constraint, 'it is nested too deeply');
    const key = JSON.stringify(constraint);
    if (key.length > MOST_SCHEMA_LENGTH) {
      throw refusal(constraint, `it is larger than ${MOST_SCHEMA_LENGTH} characters`);
    }
    // one in a turn: the steps of others come between
    if (!this.#automata.has(key)) await (this.#turn = this.#turn.then(() => nextTurn()));
    const automaton = this.#automata.get(key) ?? this.#build(constraint, trie);
    this.#keep(key, automaton);
    // their text is only seen in calls
    const hidden = constraint.kind === 'tool-calls' ? [] : [...(this.#tools?.markers.keys() ?? [])];
    return new TokenConstraint({ automaton, trie, hidden });
  }

  #keep(key: string, automaton: Automaton): void {
    this.#automata.delete(key); // to the end of the order
    this.#automata.set(key, automaton);
    let bytes = 0;
    for (const one of this.#automata.values()) bytes += one.bytes;
    for (const [oldest, one] of this.#automata) {
      if (one === automaton || (this.#automata.size <= MOST_GRAMMARS && bytes <= MOST_BYTES)) return;
      this.#automata.delete(oldest);
      bytes -= one.bytes;
    }
  }

  #build(constraint: Constraint, { writable }: TokenTrie): Automaton {
    try {
      return new Automaton(buildNetwork(grammarOf(constraint, this.#tools?.format), writable));
    } catch (error) {
      if (error instanceof GrammarError) throw refusal(constraint, error.message);
      throw error;
    }
  }
}

function tokenizerError(constraint: Constraint): InvalidRequestError {
  return new InvalidRequestError(
    'unsupported_parameter',
    "This model's tokenizer is of a kind that constrained output (response_format, tool_choice) is not supported with.",
    { param: paramOf(constraint) },
  );
}

function refusal(constraint: Constraint, why: string): InvalidRequestError {
  const param = paramOf(constraint);
  return new InvalidRequestError('invalid_value', `The schema in '${param}' can't be used: ${why}.`, {
    param,
  });
}

function paramOf({ kind }: Constraint): string {
  return kind === 'tool-calls' ? 'tools' : 'response_format';
}

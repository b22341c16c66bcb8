import type { CausalModel } from '../../../src/engine/generation/causal-model.js';

/** What a scripted sequence holds: simply its tokens. */
export type TokenCache = number[];

export interface ForwardCall {
  readonly cache: TokenCache;
  readonly tokens: readonly number[];
}

export interface Script {
  /** The next token behind these; default: a function of all of them, so that a lost or doubled token shows. */
  readonly next?: (context: readonly number[]) => number;
  /** Runs in every pass, before its result is known: a test adds, cancels or throws here. */
  readonly during?: (call: ForwardCall, number: number) => void | Promise<void>;
}

/** A model whose answers are scripted, and which remembers what it was asked. */
export class ScriptedModel implements CausalModel<TokenCache> {
  readonly vocabSize = 64;
  readonly calls: ForwardCall[] = [];
  readonly #script: Script;

  constructor(script: Script = {}) {
    this.#script = script;
  }

  createCache(): TokenCache {
    return [];
  }

  async forward(cache: TokenCache, tokens: readonly number[]): Promise<Float32Array> {
    const call = { cache, tokens };
    this.calls.push(call);
    await this.#script.during?.(call, this.calls.length);
    cache.push(...tokens);
    const logits = new Float32Array(this.vocabSize);
    logits[(this.#script.next ?? hashOf)(cache)] = 10;
    return logits;
  }
}

function hashOf(context: readonly number[]): number {
  let hash = 7;
  for (const token of context) hash = (hash * 31 + token + 1) % 1009;
  return hash % 64;
}

/** Tokens 0, 1, 2, ... are the letters from `A`; enough for tests that look at text. */
export function decodeLetters(tokens: readonly number[]): string {
  return String.fromCodePoint(...tokens.map((token) => 65 + token));
}

export function encodeLetters(text: string): number[] {
  return Array.from(text, (letter) => (letter.codePointAt(0) as number) - 65);
}

import { Automaton, type State } from '../../../src/engine/constraints/automaton.js';
import { grammarOf } from '../../../src/engine/constraints/constraint-grammar.js';
import { checkGrammar, withoutDeadEnds } from '../../../src/engine/constraints/grammar-check.js';
import { buildNetwork } from '../../../src/engine/constraints/network.js';
import type { Constraint } from '../../../src/engine/types.js';

const BYTES = Array.from({ length: 256 }, (_, byte) => byte);

export function automatonOf(constraint: Constraint): Automaton {
  const grammar = withoutDeadEnds(grammarOf(constraint, 'hermes'));
  checkGrammar(grammar);
  return new Automaton(buildNetwork(grammar));
}

export function automatonOfSchema(schema: unknown): Automaton {
  return automatonOf({ kind: 'json-schema', schema });
}

/** The state behind a text; undefined: the text doesn't fit. */
export function stateBehind(automaton: Automaton, text: string | Uint8Array): State | undefined {
  let state: State | undefined = automaton.start;
  for (const byte of Buffer.from(text))
    state = state && automaton.step(state, automaton.classOf[byte] as number);
  return state;
}

export function accepts(automaton: Automaton, text: string): boolean {
  return stateBehind(automaton, text)?.accepting === true;
}

/**
 * A text of the grammar, byte by byte.
 * @param choose one of so many ways
 * @returns undefined if it didn't end in time
 */
export function randomText(automaton: Automaton, choose: (ways: number) => number): string | undefined {
  const bytes: number[] = [];
  for (let state = automaton.start; bytes.length < 500;) {
    const next = BYTES.flatMap((byte) => {
      const reached = automaton.step(state, automaton.classOf[byte] as number);
      return reached ? [{ byte, reached }] : [];
    });
    if (state.accepting && (next.length === 0 || choose(4) === 0)) return Buffer.from(bytes).toString();
    if (next.length === 0) throw new Error(`nothing goes on behind ${Buffer.from(bytes).toString()}`);
    // brackets and quotes that close, now and then, so that most texts end
    const closing = next.filter(({ byte }) => '"}],'.includes(String.fromCharCode(byte)));
    const ways = closing.length > 0 && choose(3) === 0 ? closing : next;
    const way = ways[choose(ways.length)] as (typeof next)[number];
    bytes.push(way.byte);
    state = way.reached;
  }
  return undefined;
}

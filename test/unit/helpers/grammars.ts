import { Automaton, type State } from '../../../src/engine/constraints/automaton.js';
import { grammarOf } from '../../../src/engine/constraints/constraint-grammar.js';
import { buildNetwork } from '../../../src/engine/constraints/network.js';
import type { Constraint } from '../../../src/engine/types.js';

export function automatonOf(constraint: Constraint): Automaton {
  return new Automaton(buildNetwork(grammarOf(constraint, 'hermes'), [[0, 255]]));
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

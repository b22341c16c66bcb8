import { ANY_CHARACTER, complement, sharedCharacter } from './characters.js';
import { byte, literal, type GraphState, type Pattern, type Range } from './pattern.js';
import type { Rules } from './rules.js';

interface TextTree {
  readonly next: Map<number, TextTree>;
  /** A text ends here. */
  ends: boolean;
}

type OpenState = { edges: { pattern: Pattern; to: number }[]; final: boolean };

/** One of these texts, as UTF-8. However many begin alike, a text is only ever at one place in them. */
export function anyOfTexts(texts: readonly string[]): Pattern {
  if (texts.length === 1) return literal(texts[0] as string);
  const states = statesOf(treeOf(texts.map((text) => Buffer.from(text))), (value) => byte([value, value]));
  return {
    kind: 'graph',
    states: states.map(({ tree, edges }): GraphState => ({ edges, final: tree.ends })),
  };
}

/**
 * The content of a JSON string, without escapes that needn't be, that is none of these.
 * @param rules to add what its characters need to
 */
export function otherThan(texts: readonly string[], rules: Rules): Pattern {
  const write = (set: readonly Range[]): Pattern => sharedCharacter(set, rules);
  const inside = statesOf(treeOf(texts.map(codesOf)), (code) => write([[code, code]]));
  const outside = inside.length;
  const states = inside.map(({ tree, edges }): OpenState => {
    const known = [...tree.next.keys()].map((code): Range => [code, code]);
    return { edges: [...edges, { pattern: write(complement(known)), to: outside }], final: !tree.ends };
  });
  const any = { edges: [{ pattern: write(ANY_CHARACTER), to: outside }], final: true };
  return { kind: 'graph', states: [...states, any] };
}

function codesOf(text: string): number[] {
  return Array.from(text, (character) => character.codePointAt(0) as number);
}

function treeOf(texts: readonly Iterable<number>[]): TextTree {
  const root: TextTree = { next: new Map(), ends: false };
  for (const text of texts) {
    let at = root;
    for (const symbol of text) {
      let next = at.next.get(symbol);
      if (!next) at.next.set(symbol, (next = { next: new Map(), ends: false }));
      at = next;
    }
    at.ends = true;
  }
  return root;
}

/** A state per node of the tree, the root first. */
function statesOf(root: TextTree, write: (symbol: number) => Pattern) {
  const states: { tree: TextTree; edges: OpenState['edges'] }[] = [{ tree: root, edges: [] }];
  for (const { tree, edges } of states) {
    for (const [symbol, next] of tree.next) {
      edges.push({ pattern: write(symbol), to: states.length });
      states.push({ tree: next, edges: [] }); // read by this loop, too
    }
  }
  return states;
}

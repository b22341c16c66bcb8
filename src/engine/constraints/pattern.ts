/** An inclusive range of bytes, or of code points. */
export type Range = readonly [low: number, high: number];

/** What a text of bytes may look like: a regular expression whose parts may be rules, which may name themselves. */
export type Pattern =
  /** One byte out of some; in what `deterministic` takes, one character. */
  | { readonly kind: 'byte'; readonly ranges: readonly Range[] }
  | { readonly kind: 'sequence'; readonly parts: readonly Pattern[] }
  /** Without options: nothing matches. */
  | { readonly kind: 'choice'; readonly options: readonly Pattern[] }
  /** @property most Infinity: without end */
  | { readonly kind: 'repeat'; readonly part: Pattern; readonly least: number; readonly most: number }
  /** Items in their order, the optional ones left out or not, then any number of `rest`, with commas between. */
  | {
      readonly kind: 'members';
      readonly items: readonly Member[];
      readonly rest: Pattern | undefined;
      readonly comma: Pattern;
    }
  | { readonly kind: 'rule'; readonly name: string }
  /** States and what leads from one to another, from state 0 to any final one. */
  | { readonly kind: 'graph'; readonly states: readonly GraphState[] };

export interface GraphState {
  readonly edges: readonly { readonly pattern: Pattern; readonly to: number }[];
  readonly final: boolean;
}

export interface Member {
  readonly pattern: Pattern;
  readonly optional: boolean;
}

export interface Grammar {
  readonly rules: ReadonlyMap<string, Pattern>;
  /** The rule that the whole text is. */
  readonly root: string;
}

/** What is asked for can't be made a grammar of; the message says why, in a form that follows "because ". */
export class GrammarError extends Error {}

export const EMPTY: Pattern = { kind: 'sequence', parts: [] };
export const NOTHING: Pattern = { kind: 'choice', options: [] };

export function byte(...ranges: readonly Range[]): Pattern {
  return { kind: 'byte', ranges };
}

export function sequence(...parts: readonly Pattern[]): Pattern {
  return parts.length === 1 ? (parts[0] as Pattern) : { kind: 'sequence', parts };
}

export function choice(options: readonly Pattern[]): Pattern {
  return options.length === 1 ? (options[0] as Pattern) : { kind: 'choice', options };
}

export function repeat(part: Pattern, least: number, most: number): Pattern {
  return { kind: 'repeat', part, least, most };
}

export function optional(part: Pattern): Pattern {
  return repeat(part, 0, 1);
}

export function rule(name: string): Pattern {
  return { kind: 'rule', name };
}

/** This text, as UTF-8. */
export function literal(text: string): Pattern {
  return { kind: 'sequence', parts: Array.from(Buffer.from(text), (value) => byte([value, value])) };
}

/** Any of these characters of ASCII, written as pairs: `'09af'` is 0-9 and a-f. */
export function ascii(pairs: string): Pattern {
  const ranges: Range[] = [];
  for (let i = 0; i < pairs.length; i += 2) ranges.push([pairs.charCodeAt(i), pairs.charCodeAt(i + 1)]);
  return byte(...ranges);
}

import type { Decode } from '../generation/detokenizer.js';
import type { ToolFormat } from '../types.js';
import { formatOf, MARKERS } from './tool-format.js';

/** How a model calls tools. */
export interface ToolSupport {
  readonly format: ToolFormat;
  /** Special tokens that are a part of calls, by id: they are left out of other texts. */
  readonly markers: ReadonlyMap<number, string>;
}

interface SpecialToken {
  readonly id: number;
  readonly content: string;
  readonly special?: boolean;
}

/**
 * @param template the chat template that gets the tools
 * @param tokenizer tokenizer.json
 * @returns undefined for a model that knows no tools, or whose calls can't be read
 */
export function toolSupportOf(
  template: string | undefined,
  tokenizer: Readonly<Record<string, unknown>>,
): ToolSupport | undefined {
  const format = template === undefined ? undefined : formatOf(template);
  if (!format) return undefined;
  const added = (tokenizer['added_tokens'] ?? []) as readonly SpecialToken[];
  const markers = added.filter(({ content, special }) => special === true && MARKERS.includes(content));
  return { format, markers: new Map(markers.map(({ id, content }) => [id, content])) };
}

/** A decoder that leaves out special tokens, but not these. */
export function showing(markers: ReadonlyMap<number, string>, decode: Decode): Decode {
  if (markers.size === 0) return decode;
  return (tokens) => {
    let text = '';
    let from = 0;
    tokens.forEach((token, i) => {
      const marker = markers.get(token);
      if (marker === undefined) return;
      text += decode(tokens.slice(from, i)) + marker;
      from = i + 1;
    });
    return text + decode(tokens.slice(from));
  };
}

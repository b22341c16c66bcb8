import type { ToolFormat } from '../types.js';
import { JsonScanner } from './json-scanner.js';

/** What a text turned out to be, in order. The arguments of a call come in pieces behind it. */
export type ToolEvent =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'call'; readonly name: string }
  | { readonly type: 'arguments'; readonly text: string };

export interface ToolCallParserOptions {
  readonly format: ToolFormat;
  /** Names of the tools that there are; a call of another one is text. */
  readonly names: readonly string[];
  /** Calls beyond are left out. */
  readonly most: number;
}

/** What stands before the calls: Mistral's stand in one list, the others' each by itself. */
const OPENINGS: Readonly<Record<ToolFormat, string>> = {
  hermes: '<tool_call>',
  mistral: '[TOOL_CALLS]',
  llama: '<|python_tag|>',
};
const HERMES_CLOSING = '</tool_call>';
/** The order in which all of them write a call; then its arguments can be given out as they come. */
const HEADER = /^\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{)/;
/** So far it is looked for. */
const HEADER_LENGTH = 1024;
/** So far a call is held whose arguments can't be given out as they come (UTF-16 code units). */
const LONGEST_CALL = 16_384;

type Mode =
  /** Text, until a call opens. */
  | 'text'
  /** Behind an opening, or a separator: a call should begin. */
  | 'open'
  /** In the object of a call, whose name or arguments aren't known yet. */
  | 'call'
  | 'arguments'
  /** Behind the arguments, in the object of the call. */
  | 'rest'
  /** Behind the object of a call. */
  | 'close';

/**
 * Reads tool calls out of a text that comes in pieces; how it was cut changes nothing but how the pieces that come out are. What looks
 * like a call and isn't one is text.
 */
export class ToolCallParser {
  readonly #options: ToolCallParserOptions;
  #mode: Mode;
  /** What was not yet dealt with. */
  #held = '';
  /** What was taken as the beginning of a call, and is text if it is none. */
  #taken = '';
  /** What has to stand before the object of a call, or may. */
  #before: { readonly text: string; readonly required: boolean } | undefined;
  #scanner = new JsonScanner();
  /** How much of `#held` the scanner has seen, in a call. */
  #scanned = 0;
  #calls = 0;
  /** White space behind a call and before what follows isn't text. */
  #skipping = false;
  /** The call under way is one too many. */
  #mute = false;
  #events: ToolEvent[] = [];

  constructor(options: ToolCallParserOptions) {
    this.#options = options;
    this.#mode = options.format === 'llama' ? 'open' : 'text';
    if (options.format === 'llama') this.#before = { text: OPENINGS.llama, required: false };
  }

  push(piece: string): ToolEvent[] {
    this.#held += piece;
    while (this.#advance());
    return this.#events.splice(0);
  }

  /** The text has ended. A call whose arguments were begun stays as it is. */
  finish(): ToolEvent[] {
    if (this.#mode === 'text') this.#text(this.#held);
    else if (this.#mode === 'open' || this.#mode === 'call') this.#text(this.#taken + this.#held);
    this.#held = '';
    return this.#events.splice(0);
  }

  /** @returns false when it needs more text */
  #advance(): boolean {
    switch (this.#mode) {
      case 'text':
        return this.#readText();
      case 'open':
        return this.#readOpening();
      case 'call':
        return this.#readCall();
      case 'arguments':
        return this.#readArguments();
      case 'rest':
        return this.#readRest();
      case 'close':
        return this.#readClosing();
      default:
        return this.#mode satisfies never;
    }
  }

  #readText(): boolean {
    const opening = OPENINGS[this.#options.format];
    // a Llama's call is the whole text
    const at = this.#options.format === 'llama' ? -1 : this.#held.indexOf(opening);
    if (at >= 0) {
      this.#text(this.#take(at));
      this.#taken = this.#take(opening.length);
      if (this.#options.format === 'mistral') this.#before = { text: '[', required: true };
      this.#mode = 'open';
      return true;
    }
    const keep = this.#options.format === 'llama' ? 0 : endThatBegins(this.#held, opening);
    this.#text(this.#take(this.#held.length - keep));
    return false;
  }

  #readOpening(): boolean {
    this.#taken += this.#takeSpace();
    if (this.#held === '') return false;
    if (this.#before) {
      const { text, required } = this.#before;
      if (this.#held.startsWith(text)) {
        this.#taken += this.#take(text.length);
        this.#before = undefined;
        return true;
      }
      if (text.startsWith(this.#held)) return false;
      if (required) return this.#isText();
    }
    if (!this.#held.startsWith('{')) return this.#isText();
    this.#before = undefined;
    this.#scanner = new JsonScanner();
    this.#scanned = 0;
    this.#mode = 'call';
    return true;
  }

  /** The object of a call stays in `#held` until its arguments begin, or it ends. */
  #readCall(): boolean {
    const header = HEADER.exec(this.#held.slice(0, HEADER_LENGTH));
    const name = header && parsed(header[1] as string);
    if (header && this.#isKnown(name)) {
      this.#take(header[0].length);
      this.#call(name);
      this.#scanner = new JsonScanner();
      this.#mode = 'arguments';
      return true;
    }
    const { length, ended } = this.#scanner.push(this.#held.slice(this.#scanned));
    this.#scanned += length;
    if (!ended && this.#scanned < LONGEST_CALL) return false;
    const whole = this.#scanned > LONGEST_CALL ? undefined : readWhole(this.#held.slice(0, this.#scanned));
    if (!whole || !this.#isKnown(whole.name)) return this.#isText();
    this.#take(this.#scanned);
    this.#call(whole.name);
    this.#emit({ type: 'arguments', text: whole.text });
    this.#mode = 'close';
    return true;
  }

  #isKnown(name: unknown): name is string {
    return this.#options.names.some((known) => known === name);
  }

  #readArguments(): boolean {
    const { length, ended } = this.#scanner.push(this.#held);
    if (length > 0) this.#emit({ type: 'arguments', text: this.#take(length) });
    if (!ended) return false;
    this.#scanner = new JsonScanner(1);
    this.#mode = 'rest';
    return true;
  }

  #readRest(): boolean {
    const { length, ended } = this.#scanner.push(this.#held);
    this.#take(length);
    if (ended) this.#mode = 'close';
    return ended;
  }

  #readClosing(): boolean {
    const { format } = this.#options;
    this.#takeSpace();
    if (this.#held === '') return false;
    const separator = format === 'hermes' ? HERMES_CLOSING : format === 'mistral' ? ',' : ';';
    if (this.#held.startsWith(separator)) {
      this.#taken = this.#take(separator.length);
      if (format !== 'hermes') {
        this.#mode = 'open';
        return true;
      }
    } else if (separator.startsWith(this.#held)) {
      return false;
    } else if (format === 'mistral' && this.#held.startsWith(']')) {
      this.#take(1);
    }
    this.#taken = '';
    this.#skipping = true;
    this.#mode = 'text';
    return true;
  }

  /** What was taken for the beginning of a call. */
  #isText(): boolean {
    this.#text(this.#taken);
    this.#taken = '';
    this.#mode = 'text';
    return true;
  }

  #call(name: string): void {
    this.#taken = '';
    this.#mute = ++this.#calls > this.#options.most;
    this.#emit({ type: 'call', name });
  }

  #emit(event: ToolEvent): void {
    if (!this.#mute) this.#events.push(event);
  }

  #text(piece: string): void {
    const text = this.#skipping ? piece.trimStart() : piece;
    if (text === '') return;
    this.#skipping = false;
    this.#events.push({ type: 'text', text });
  }

  #takeSpace(): string {
    return this.#take(this.#held.length - this.#held.trimStart().length);
  }

  #take(length: number): string {
    const taken = this.#held.slice(0, length);
    this.#held = this.#held.slice(length);
    return taken;
  }
}

/** Of a call whose fields come in another order, or whose arguments are a string: what it calls with which arguments. */
function readWhole(text: string): { readonly name: string; readonly text: string } | undefined {
  const value = parsed(text);
  if (typeof value !== 'object' || value === null) return undefined;
  const { name, arguments: given, parameters } = value as Record<string, unknown>;
  const args = given ?? parameters ?? {};
  if (typeof name !== 'string') return undefined;
  return { name, text: typeof args === 'string' ? args : JSON.stringify(args) };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Length of the longest end of `text` with which `opening` begins. */
function endThatBegins(text: string, opening: string): number {
  for (let length = Math.min(opening.length - 1, text.length); length > 0; length--) {
    if (opening.startsWith(text.slice(-length))) return length;
  }
  return 0;
}

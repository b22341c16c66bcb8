import { randomBytes } from 'node:crypto';
import { ToolCallParser, type ToolEvent } from '../engine/tools/tool-call-parser.js';
import type { ToolFormat } from '../engine/types.js';

/** A call as OpenAI writes it. */
export interface ToolCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
}

/** What the calls are read with. */
export interface CallReading {
  /** Names of the tools. */
  readonly names: readonly string[];
  readonly most: number;
}

export interface ReadAnswer {
  /** null: nothing but calls. */
  readonly content: string | null;
  readonly calls: readonly ToolCall[];
}

/** Reads the calls out of a whole answer. */
export function readAnswer(text: string, format: ToolFormat, reading: CallReading): ReadAnswer {
  const parser = new ToolCallParser({ format, ...reading });
  let content = '';
  const calls: { id: string; name: string; text: string }[] = [];
  for (const event of [...parser.push(text), ...parser.finish()]) {
    if (event.type === 'text') content += event.text;
    else if (event.type === 'call') calls.push({ id: callId(format), name: event.name, text: '' });
    else (calls.at(-1) as { text: string }).text += event.text;
  }
  return {
    content: content === '' && calls.length > 0 ? null : content,
    calls: calls.map(({ id, name, text: args }) => ({
      id,
      type: 'function',
      function: { name, arguments: args },
    })),
  };
}

/** Turns the text of one choice, as it comes, into OpenAI's deltas. */
export class ToolDeltas {
  readonly #format: ToolFormat;
  readonly #parser: ToolCallParser;
  #calls = 0;

  constructor(format: ToolFormat, reading: CallReading) {
    this.#format = format;
    this.#parser = new ToolCallParser({ format, ...reading });
  }

  get hasCalls(): boolean {
    return this.#calls > 0;
  }

  push(text: string): object[] {
    return this.#parser.push(text).map((event) => this.#deltaOf(event));
  }

  finish(): object[] {
    return this.#parser.finish().map((event) => this.#deltaOf(event));
  }

  #deltaOf(event: ToolEvent): object {
    switch (event.type) {
      case 'text':
        return { content: event.text };
      case 'call': {
        const call = { name: event.name, arguments: '' };
        const index = this.#calls++;
        return { tool_calls: [{ index, id: callId(this.#format), type: 'function', function: call }] };
      }
      case 'arguments':
        return { tool_calls: [{ index: this.#calls - 1, function: { arguments: event.text } }] };
      default:
        return event satisfies never;
    }
  }
}

/** Mistral's templates take ids of nine letters and digits only. */
function callId(format: ToolFormat): string {
  return format === 'mistral'
    ? randomBytes(8).toString('hex').slice(0, 9)
    : `call_${randomBytes(12).toString('hex')}`;
}

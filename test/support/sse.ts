/** An event as a browser's EventSource would dispatch it. */
export interface ServerSentEvent {
  readonly type: string;
  readonly data: string;
  readonly lastEventId: string;
}

/**
 * Reads an event stream as the standard says, whatever the pieces it comes in.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export class EventStreamParser {
  #rest = '';
  #started = false;
  #type = '';
  #data: string[] = [];
  #lastEventId = '';

  /** @returns the events that are complete with this piece */
  push(piece: string): ServerSentEvent[] {
    this.#rest += piece;
    if (!this.#started && this.#rest !== '') {
      this.#rest = this.#rest.replace(/^\uFEFF/, '');
      this.#started = true;
    }
    const events: ServerSentEvent[] = [];
    for (;;) {
      // a CR at the end may be the first half of a CRLF
      const end = /\r\n|\n|\r(?!$)/.exec(this.#rest);
      if (!end) return events;
      const event = this.#line(this.#rest.slice(0, end.index));
      this.#rest = this.#rest.slice(end.index + end[0].length);
      if (event) events.push(event);
    }
  }

  #line(line: string): ServerSentEvent | undefined {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    if (colon === 0) return undefined; // a comment
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') this.#type = value;
    if (field === 'data') this.#data.push(value);
    if (field === 'id' && !value.includes('\0')) this.#lastEventId = value;
    return undefined;
  }

  #dispatch(): ServerSentEvent | undefined {
    const [type, data] = [this.#type || 'message', this.#data];
    this.#type = '';
    this.#data = [];
    return data.length === 0 ? undefined : { type, data: data.join('\n'), lastEventId: this.#lastEventId };
  }
}

/** The events of a response as they come. */
export async function* readEvents(response: Response): AsyncGenerator<ServerSentEvent> {
  const type = response.headers.get('content-type');
  if (!response.body || !type?.startsWith('text/event-stream'))
    throw new Error(`no event stream but ${type}`);
  const parser = new EventStreamParser();
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  for await (const bytes of response.body) yield* parser.push(decoder.decode(bytes, { stream: true }));
}

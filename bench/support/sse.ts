/** Splits a stream of server-sent events, as it comes, into the `data` of each. */
export class EventSplitter {
  #rest = '';

  /** @returns the data of the events that this text completes */
  push(text: string): string[] {
    const events = (this.#rest + text).split('\n\n');
    this.#rest = events.pop() ?? '';
    return events.filter((event) => event.startsWith('data: ')).map((event) => event.slice('data: '.length));
  }
}

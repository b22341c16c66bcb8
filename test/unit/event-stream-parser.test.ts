import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventStreamParser } from '../support/sse.js';

const data = (text: string) => new EventStreamParser().push(text).map((event) => event.data);

describe('EventStreamParser, by the examples of the standard', () => {
  it('joins data lines', () => expect(data('data: YHOO\ndata: +2\ndata: 10\n\n')).toEqual(['YHOO\n+2\n10']));

  it('skips comments, keeps ids, takes one space off', () => {
    const parser = new EventStreamParser();
    const stream =
      ': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n';
    expect(parser.push(stream)).toEqual([
      { type: 'message', data: 'first event', lastEventId: '1' },
      { type: 'message', data: 'second event', lastEventId: '' },
      { type: 'message', data: ' third event', lastEventId: '' },
    ]);
  });

  it('dispatches empty data, not an unfinished event', () =>
    expect(data('data\n\ndata\ndata\n\ndata:')).toEqual(['', '\n']));

  it('names events', () =>
    expect(new EventStreamParser().push('event: complete\ndata:\n\n')).toMatchObject([
      { type: 'complete', data: '' },
    ]));

  it('reads the same however it is cut, and whatever ends its lines', () => {
    const stream = '\uFEFFevent: a\ndata: x\n\n: c\ndata: y\ndata: z\n\n';
    const whole = new EventStreamParser().push(stream);
    fc.assert(
      fc.property(
        fc.constantFrom('\n', '\r', '\r\n'),
        fc.array(fc.nat(stream.length * 2), { maxLength: 8 }),
        (newline, cuts) => {
          const text = stream.replaceAll('\n', newline);
          const parser = new EventStreamParser();
          const at = [0, ...cuts.toSorted((a, b) => a - b), text.length + 1];
          const events = at.slice(1).flatMap((to, i) => parser.push(text.slice(at[i], to)));
          // a last CR may still become a CRLF
          expect([...events, ...parser.push(newline)].slice(0, 2)).toEqual(whole);
        },
      ),
    );
  });
});

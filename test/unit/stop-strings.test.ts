import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StopStringScanner } from '../../src/engine/generation/stop-strings.js';

interface Outcome {
  readonly text: string;
  readonly stopped: boolean;
}

/** Looks at the whole text: the stop that ends first counts, of those that end together the longest. */
function oracle(text: string, stops: readonly string[]): Outcome {
  for (let end = 1; end <= text.length; end++) {
    const ending = stops.filter((stop) => text.slice(0, end).endsWith(stop));
    if (ending.length === 0) continue;
    const longest = Math.max(...ending.map((stop) => stop.length));
    return { text: text.slice(0, end - longest), stopped: true };
  }
  return { text, stopped: false };
}

function scan(pieces: readonly string[], stops: readonly string[]): Outcome & { readonly sent: string[] } {
  const scanner = new StopStringScanner(stops);
  const sent: string[] = [];
  for (const piece of pieces) {
    const { text, stopped } = scanner.push(piece);
    sent.push(text);
    if (stopped) return { text: sent.join(''), stopped: true, sent };
  }
  sent.push(scanner.flush());
  return { text: sent.join(''), stopped: false, sent };
}

const alphabet = fc.constantFrom('a', 'b');
const pieces = fc.array(fc.string({ unit: alphabet, maxLength: 5 }), { maxLength: 12 });
const stops = fc.array(fc.string({ unit: alphabet, minLength: 1, maxLength: 6 }), {
  minLength: 1,
  maxLength: 4,
});

describe('StopStringScanner', () => {
  it('sends the text that a search of the whole text gives, however the text is cut', () => {
    fc.assert(
      fc.property(pieces, stops, (cut, theStops) => {
        const { text, stopped } = scan(cut, theStops);
        expect({ text, stopped }).toEqual(oracle(cut.join(''), theStops));
      }),
      { numRuns: 3000 },
    );
  });

  it('finds stops made of several kinds of characters, also beyond the basic plane', () => {
    const unit = fc.constantFrom('x', 'é', '漢', '😀', '👍🏽', '\n');
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit, maxLength: 4 }), { maxLength: 8 }),
        fc.array(fc.string({ unit, minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 3 }),
        (cut, theStops) => {
          const { text, stopped } = scan(cut, theStops);
          expect({ text, stopped }).toEqual(oracle(cut.join(''), theStops));
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('never sends what it would have to take back', () => {
    fc.assert(
      fc.property(pieces, stops, (cut, theStops) => {
        const final = oracle(cut.join(''), theStops).text;
        let sent = '';
        for (const text of scan(cut, theStops).sent) {
          sent += text;
          expect(final.startsWith(sent)).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('holds back only what may still become a stop string', () => {
    fc.assert(
      fc.property(pieces, stops, (cut, theStops) => {
        const scanner = new StopStringScanner(theStops);
        let pushed = '';
        let sent = '';
        for (const piece of cut) {
          const { text, stopped } = scanner.push(piece);
          if (stopped) return;
          pushed += piece;
          sent += text;
          const held = pushed.slice(sent.length);
          expect(held === '' || theStops.some((stop) => stop.startsWith(held) && stop !== held)).toBe(true);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('sends every piece at once without stop strings', () => {
    fc.assert(
      fc.property(pieces, (cut) => {
        const scanner = new StopStringScanner();
        for (const piece of cut) expect(scanner.push(piece)).toEqual({ text: piece, stopped: false });
        expect(scanner.flush()).toBe('');
      }),
    );
  });

  it('prefers the stop that ends first to one that begins earlier', () => {
    expect(scan(['xabcdy'], ['abcd', 'bc'])).toMatchObject({ text: 'xa', stopped: true });
  });

  it('prefers the longest of the stops that end together', () => {
    expect(scan(['xab', 'c'], ['bc', 'abc', 'c'])).toMatchObject({ text: 'x', stopped: true });
  });

  it('gives the held back text on flush, once', () => {
    const scanner = new StopStringScanner(['END']);
    expect(scanner.push('the EN')).toEqual({ text: 'the ', stopped: false });
    expect(scanner.flush()).toBe('EN');
    expect(scanner.flush()).toBe('');
  });

  it('sends what was held back as soon as it did not become a stop string', () => {
    const scanner = new StopStringScanner(['END']);
    expect(scanner.push('EN')).toEqual({ text: '', stopped: false });
    expect(scanner.push('T')).toEqual({ text: 'ENT', stopped: false });
  });
});

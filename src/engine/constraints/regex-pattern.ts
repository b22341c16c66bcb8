import { ANY_CHARACTER, complement, sharedCharacter } from './characters.js';
import { deterministic } from './deterministic.js';
import { byte, choice, EMPTY, GrammarError, repeat, sequence, type Pattern, type Range } from './pattern.js';
import type { Rules } from './rules.js';

const DIGITS: readonly Range[] = [[0x30, 0x39]];
const WORD: readonly Range[] = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
const SPACES: readonly Range[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];
const LINE_ENDS: readonly Range[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];
const CLASSES: ReadonlyMap<string, readonly Range[]> = new Map([
  ['d', DIGITS],
  ['D', complement(DIGITS)],
  ['w', WORD],
  ['W', complement(WORD)],
  ['s', SPACES],
  ['S', complement(SPACES)],
]);
const CONTROLS: ReadonlyMap<string, number> = new Map([
  ['n', 0x0a],
  ['r', 0x0d],
  ['t', 0x09],
  ['f', 0x0c],
  ['v', 0x0b],
  ['0', 0],
]);
const MOST_REPETITIONS = 5000;
const MOST_DEPTH = 50;

/**
 * Strings that match a regular expression of ECMAScript, as they stand between the quotes of a JSON string. What needs more than
 * an automaton (look-around, back references, word boundaries) is refused.
 * @param rules to add what its characters need to
 * @throws GrammarError
 */
export function regexPattern(source: string, rules: Rules): Pattern {
  if (!isRegex(source)) {
    throw new GrammarError(`the pattern ${shown(source)} is not a regular expression (flag u)`);
  }
  const pattern = new RegexReader(source).read();
  try {
    return deterministic(pattern, (set) => sharedCharacter(set, rules), rules);
  } catch (error) {
    if (!(error instanceof GrammarError)) throw error;
    throw new GrammarError(
      `the pattern ${shown(source)} is too complex (${error.message}); use fewer or smaller repetitions`,
    );
  }
}

function isRegex(source: string): boolean {
  try {
    return new RegExp(source, 'u').unicode;
  } catch {
    return false;
  }
}

/** Recursive descent over an expression that is known to be well-formed. */
class RegexReader {
  readonly #characters: readonly string[];
  readonly #source: string;
  #at = 0;
  #depth = 0;

  constructor(source: string) {
    this.#source = source;
    this.#characters = Array.from(source);
  }

  read(): Pattern {
    const options: Pattern[] = [];
    do {
      const anchored = this.#take('^');
      const [content, ended] = this.#sequence();
      const any = repeat(byte(...ANY_CHARACTER), 0, Infinity);
      options.push(sequence(anchored ? EMPTY : any, content, ended ? EMPTY : any));
    } while (this.#take('|'));
    return choice(options);
  }

  /** @returns with whether `$` ended it, which it may only outside of groups */
  #sequence(): [Pattern, boolean] {
    const parts: Pattern[] = [];
    for (let next = this.#peek(); next !== undefined && next !== '|' && next !== ')'; next = this.#peek()) {
      if (next === '$' && this.#depth === 0 && (this.#peek(1) ?? '|') === '|') {
        this.#at++;
        return [sequence(...parts), true];
      }
      parts.push(this.#quantified(this.#atom()));
    }
    return [sequence(...parts), false];
  }

  #atom(): Pattern {
    const character = this.#next();
    switch (character) {
      case '(':
        return this.#group();
      case '[':
        return byte(...this.#class());
      case '.':
        return byte(...complement(LINE_ENDS));
      case '\\':
        return byte(...this.#escape());
      case '^':
      case '$':
        return this.#refuse(`'${character}' inside`);
      default:
        return byte(...single(character));
    }
  }

  #group(): Pattern {
    if (this.#take('?')) {
      if (this.#take('<') && this.#peek() !== '=' && this.#peek() !== '!') while (this.#next() !== '>');
      else if (!this.#take(':')) return this.#refuse('look-around');
    }
    if (++this.#depth > MOST_DEPTH) return this.#refuse('so many nested groups');
    const options: Pattern[] = [];
    do options.push(this.#sequence()[0]);
    while (this.#take('|'));
    this.#at++; // the closing parenthesis
    this.#depth--;
    return choice(options);
  }

  #quantified(part: Pattern): Pattern {
    const bounds = this.#bounds();
    if (!bounds) return part;
    this.#take('?'); // lazy or not: the same strings
    const [least, most] = bounds;
    if (least > MOST_REPETITIONS || (most !== Infinity && most > MOST_REPETITIONS)) {
      return this.#refuse(`more than ${MOST_REPETITIONS} repetitions`);
    }
    return repeat(part, least, most);
  }

  #bounds(): [number, number] | undefined {
    if (this.#take('*')) return [0, Infinity];
    if (this.#take('+')) return [1, Infinity];
    if (this.#take('?')) return [0, 1];
    if (!this.#take('{')) return undefined;
    let text = '';
    for (let next = this.#next(); next !== '}'; next = this.#next()) text += next;
    const [least, most] = text.split(',');
    return [Number(least), most === undefined ? Number(least) : most === '' ? Infinity : Number(most)];
  }

  #class(): Range[] {
    const negated = this.#take('^');
    const set: Range[] = [];
    while (!this.#take(']')) {
      const from = this.#classItem();
      if (this.#peek() === '-' && this.#peek(1) !== ']' && from.length === 1) {
        this.#at++;
        const to = this.#classItem();
        set.push([(from[0] as Range)[0], (to[0] as Range)[1]]);
      } else {
        set.push(...from);
      }
    }
    return negated ? complement(set) : set;
  }

  #classItem(): readonly Range[] {
    const character = this.#next();
    if (character !== '\\') return single(character);
    return this.#take('b') ? [[0x08, 0x08]] : this.#escape();
  }

  /** Behind a backslash. */
  #escape(): readonly Range[] {
    const character = this.#next();
    const set = CLASSES.get(character);
    if (set) return set;
    const control = CONTROLS.get(character);
    if (control !== undefined) return [[control, control]];
    if (character === 'x') return this.#code(2);
    if (character === 'u') return this.#take('{') ? this.#codeInBraces() : this.#codeUnits();
    if (/[a-z0-9]/i.test(character)) return this.#refuse(`'\\${character}'`);
    return single(character);
  }

  #code(length: number): readonly Range[] {
    const digits = this.#characters.slice(this.#at, this.#at + length).join('');
    this.#at += length;
    return [[parseInt(digits, 16), parseInt(digits, 16)]];
  }

  /** One, or the two of a surrogate pair. */
  #codeUnits(): readonly Range[] {
    const [[first]] = this.#code(4) as [Range];
    const rest = this.#characters.slice(this.#at, this.#at + 6).join('');
    if (first < 0xd800 || first > 0xdbff || !/^\\u[dD][c-fC-F]/.test(rest)) return [[first, first]];
    this.#at += 6;
    return single(String.fromCharCode(first, parseInt(rest.slice(2), 16)));
  }

  #codeInBraces(): readonly Range[] {
    const length = this.#characters.slice(this.#at).indexOf('}');
    const code = this.#code(length);
    this.#at++;
    return code;
  }

  #peek(ahead = 0): string | undefined {
    return this.#characters[this.#at + ahead];
  }

  #next(): string {
    return this.#characters[this.#at++] as string;
  }

  #take(character: string): boolean {
    if (this.#peek() !== character) return false;
    this.#at++;
    return true;
  }

  #refuse(what: string): never {
    throw new GrammarError(`the pattern ${shown(this.#source)} has ${what}, which is not supported`);
  }
}

/** So much of it that the message stays readable. */
function shown(source: string): string {
  return JSON.stringify(source.length > 200 ? `${source.slice(0, 200)}...` : source);
}

function single(character: string): readonly Range[] {
  const code = character.codePointAt(0) as number;
  return [[code, code]];
}

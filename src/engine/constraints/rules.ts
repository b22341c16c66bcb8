import { GrammarError, type Pattern } from './pattern.js';

/** What making the patterns of a grammar deterministic may cost, in nodes and edges that are looked at: about 50 ms. */
const MOST_WORK = 300_000;

/** The rules of a grammar, by name, while it is made. */
export class Rules extends Map<string, Pattern> {
  #work = 0;

  /** @throws GrammarError when it was too much */
  count(work: number): void {
    this.#work += work;
    if (this.#work > MOST_WORK) throw new GrammarError('it leaves too many possibilities open');
  }

  /** However often a schema says the same, the grammar has it once. */
  share(name: string, build: () => Pattern): Pattern {
    if (!this.has(name)) this.set(name, build());
    return { kind: 'rule', name };
  }
}

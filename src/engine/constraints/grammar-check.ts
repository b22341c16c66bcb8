import { GrammarError, NOTHING, type Grammar, type Pattern } from './pattern.js';

/**
 * @throws GrammarError for a grammar that no text can satisfy, or whose rules begin with themselves, so that reading it would not
 * come to an end
 */
export function checkGrammar({ rules, root }: Grammar): void {
  const finite = finiteRules(rules);
  if (!finite.has(root)) throw new GrammarError('no JSON can satisfy it');
  checkBeginnings(rules);
}

/** Without the options that can't be completed: they would lead to where nothing goes on. */
export function withoutDeadEnds({ rules, root }: Grammar): Grammar {
  const finite = finiteRules(rules);
  const alive = [...rules].filter(([name]) => finite.has(name));
  return { root, rules: new Map(alive.map(([name, pattern]) => [name, prune(pattern, finite)])) };
}

function prune(pattern: Pattern, finite: ReadonlySet<string>): Pattern {
  if (!isFinite(pattern, finite)) return NOTHING;
  switch (pattern.kind) {
    case 'byte':
    case 'rule':
      return pattern;
    case 'choice':
      return {
        ...pattern,
        options: pattern.options
          .filter((option) => isFinite(option, finite))
          .map((option) => prune(option, finite)),
      };
    case 'sequence':
      return { ...pattern, parts: pattern.parts.map((part) => prune(part, finite)) };
    case 'repeat':
      return isFinite(pattern.part, finite)
        ? { ...pattern, part: prune(pattern.part, finite) }
        : { kind: 'sequence', parts: [] };
    case 'members':
      return {
        ...pattern,
        items: pattern.items
          .filter((item) => isFinite(item.pattern, finite))
          .map((item) => ({ ...item, pattern: prune(item.pattern, finite) })),
        rest: pattern.rest && isFinite(pattern.rest, finite) ? prune(pattern.rest, finite) : undefined,
      };
    default:
      return pattern satisfies never;
  }
}

/** Names of the rules that some text of finite length satisfies. */
function finiteRules(rules: ReadonlyMap<string, Pattern>): Set<string> {
  const finite = new Set<string>();
  for (let before = -1; before < finite.size;) {
    before = finite.size;
    for (const [name, pattern] of rules) {
      if (!finite.has(name) && isFinite(pattern, finite)) finite.add(name);
    }
  }
  return finite;
}

function isFinite(pattern: Pattern, finite: ReadonlySet<string>): boolean {
  switch (pattern.kind) {
    case 'byte':
      return pattern.ranges.length > 0;
    case 'rule':
      return finite.has(pattern.name);
    case 'choice':
      return pattern.options.some((option) => isFinite(option, finite));
    case 'sequence':
      return pattern.parts.every((part) => isFinite(part, finite));
    case 'repeat':
      return pattern.least === 0 || isFinite(pattern.part, finite);
    case 'members':
      return pattern.items.every((item) => item.optional || isFinite(item.pattern, finite));
    default:
      return pattern satisfies never;
  }
}

/** Only references and choices can stand at a beginning: whatever else a schema says begins with a byte. */
function checkBeginnings(rules: ReadonlyMap<string, Pattern>): void {
  const state = new Map<string, 'open' | 'done'>();
  const visit = (name: string): void => {
    if (state.get(name) === 'done') return;
    if (state.get(name) === 'open') throw new GrammarError('a $ref in it leads back to itself');
    state.set(name, 'open');
    for (const next of beginnings(rules.get(name) as Pattern)) visit(next);
    state.set(name, 'done');
  };
  for (const name of rules.keys()) visit(name);
}

function beginnings(pattern: Pattern): string[] {
  switch (pattern.kind) {
    case 'byte':
    case 'members': // between braces
      return [];
    case 'rule':
      return [pattern.name];
    case 'choice':
      return pattern.options.flatMap(beginnings);
    case 'repeat':
      return beginnings(pattern.part);
    case 'sequence': {
      const solid = pattern.parts.findIndex((part) => part.kind !== 'repeat');
      return pattern.parts.slice(0, solid < 0 ? undefined : solid + 1).flatMap(beginnings);
    }
    default:
      return pattern satisfies never;
  }
}

import { COLON, COMMA, jsonRules } from '../constraints/json-patterns.js';
import {
  choice,
  literal,
  repeat,
  rule,
  sequence,
  type Grammar,
  type Pattern,
} from '../constraints/pattern.js';
import { SchemaGrammar } from '../constraints/schema-grammar.js';
import type { Constraint, ToolDefinition, ToolFormat } from '../types.js';

/**
 * One or more calls as the model writes them, with arguments that satisfy the tool's schema.
 * @throws GrammarError
 */
export function toolCallGrammar(
  { tools, most }: Extract<Constraint, { kind: 'tool-calls' }>,
  format: ToolFormat,
): Grammar {
  const rules = jsonRules();
  const calls = tools.map((tool, i) => {
    const { parameters = {} } = tool.function;
    const schema = Object.keys(parameters).length > 0 ? parameters : { type: 'object' };
    return callOf(tool, new SchemaGrammar(schema, rules, `tool ${i} `).patternOf(schema), format);
  });
  rules.set('call', choice(calls));
  rules.set('root', inFormat(rule('call'), most, format));
  return { rules, root: 'root' };
}

function callOf({ function: { name } }: ToolDefinition, parameters: Pattern, format: ToolFormat): Pattern {
  const key = format === 'llama' ? 'parameters' : 'arguments';
  return sequence(
    literal('{"name"'),
    COLON,
    literal(JSON.stringify(name)),
    COMMA,
    literal(JSON.stringify(key)),
    COLON,
    parameters,
    literal('}'),
  );
}

function inFormat(call: Pattern, most: number, format: ToolFormat): Pattern {
  switch (format) {
    case 'hermes': {
      const tagged = sequence(literal('<tool_call>\n'), call, literal('\n</tool_call>'));
      return sequence(tagged, repeat(sequence(literal('\n'), tagged), 0, most - 1));
    }
    case 'mistral':
      return sequence(
        literal('[TOOL_CALLS]'),
        repeat(literal(' '), 0, 1),
        literal('['),
        call,
        repeat(sequence(COMMA, call), 0, most - 1),
        literal(']'),
      );
    case 'llama':
      return sequence(call, repeat(sequence(literal('; '), call), 0, most - 1));
    default:
      return format satisfies never;
  }
}

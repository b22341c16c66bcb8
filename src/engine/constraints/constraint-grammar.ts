import { toolCallGrammar } from '../tools/tool-grammar.js';
import type { Constraint, ToolFormat } from '../types.js';
import { GrammarError, type Grammar } from './pattern.js';
import { SchemaGrammar } from './schema-grammar.js';

/**
 * @param toolFormat of the model, if it has one
 * @throws GrammarError
 */
export function grammarOf(constraint: Constraint, toolFormat: ToolFormat | undefined): Grammar {
  switch (constraint.kind) {
    case 'json':
      return { rules: new SchemaGrammar(true).rules, root: 'object' };
    case 'json-schema': {
      const schemas = new SchemaGrammar(constraint.schema);
      const rules = schemas.rules.set('root', schemas.patternOf(constraint.schema));
      return { rules, root: 'root' };
    }
    case 'tool-calls':
      if (!toolFormat) throw new GrammarError('the model knows no tools');
      return toolCallGrammar(constraint, toolFormat);
    default:
      return constraint satisfies never;
  }
}

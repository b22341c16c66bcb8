import { costLimitRule } from '@escape.tech/graphql-armor-cost-limit';
import { maxAliasesRule } from '@escape.tech/graphql-armor-max-aliases';
import { maxDepthRule } from '@escape.tech/graphql-armor-max-depth';
import {
  GraphQLError,
  NoSchemaIntrospectionCustomRule,
  parse,
  specifiedRules,
  validate,
  type DocumentNode,
  type ExecutionResult,
  type GraphQLFormattedError,
  type GraphQLSchema,
  type ValidationContext,
  type ValidationRule,
} from 'graphql';

/** How large an operation may be: what it costs to read and check it, and how many generations it can start. */
export interface GraphqlLimits {
  /** Most levels of fields. */
  readonly maxDepth: number;
  /** Most aliases: with them one operation runs a field many times. */
  readonly maxAliases: number;
  /** Most cost by GraphQL Armor's count: 1 for a scalar, 2 for an object, times 1.5 for each level. */
  readonly maxCost: number;
  /** Most tokens of the document; values in variables don't count. */
  readonly maxTokens: number;
}

export const DEFAULT_GRAPHQL_LIMITS: GraphqlLimits = {
  maxDepth: 8,
  maxAliases: 16,
  maxCost: 1000,
  maxTokens: 2000,
};

const LIMIT_CODES = ['query_too_deep', 'too_many_aliases', 'query_too_complex', 'query_too_long'] as const;
type LimitCode = (typeof LIMIT_CODES)[number];

/** Rules beside those of the specification. Introspection isn't counted: it has a switch of its own. */
export function limitRules({ maxDepth, maxAliases, maxCost }: GraphqlLimits): ValidationRule[] {
  return [
    maxDepthRule({
      n: maxDepth,
      ...reporting('query_too_deep', `The query is too deep: at most ${maxDepth} levels of fields.`),
    }),
    maxAliasesRule({
      n: maxAliases,
      allowList: [],
      ...reporting('too_many_aliases', `The query has too many aliases: at most ${maxAliases}.`),
    }),
    costLimitRule({
      maxCost,
      ...reporting('query_too_complex', `The query is too complex: at most a cost of ${maxCost}.`),
    }),
  ] as ValidationRule[]; // their visitors are typed as records
}

/** GraphQL Armor would throw out of the validation; we report, as every other rule does. */
function reporting(code: LimitCode, message: string) {
  const report = (context: ValidationContext | null): void =>
    context?.reportError(new GraphQLError(message, { extensions: { code } }));
  return { propagateOnRejection: false, onReject: [report] };
}

/** Parses and validates as Apollo does, for the transports that aren't Apollo's: the same limits, the same codes. */
export class OperationCheck {
  readonly #rules: readonly ValidationRule[];
  readonly #maxTokens: number;

  constructor(limits: GraphqlLimits, { introspection }: { readonly introspection: boolean }) {
    this.#maxTokens = limits.maxTokens;
    this.#rules = [
      ...specifiedRules,
      ...limitRules(limits),
      ...(introspection ? [] : [NoSchemaIntrospectionCustomRule]),
    ];
  }

  /** @returns what is wrong with the syntax instead of throwing it */
  parse(query: string): DocumentNode | GraphQLError {
    try {
      return parse(query, { maxTokens: this.#maxTokens });
    } catch (error) {
      if (!(error instanceof GraphQLError)) throw error;
      return withCode(error, isTooLong(error.message) ? 'query_too_long' : 'GRAPHQL_PARSE_FAILED');
    }
  }

  validate(schema: GraphQLSchema, document: DocumentNode): readonly GraphQLError[] {
    return validate(schema, document, this.#rules).map((error) =>
      error.extensions['code'] === undefined ? withCode(error, 'GRAPHQL_VALIDATION_FAILED') : error,
    );
  }
}

/** What an operation that could not begin has no code for: values that don't fit its variables. Again as Apollo has it. */
export function withInputCodes<Result>(result: Result): Result | ExecutionResult {
  if (!isRefusal(result)) return result;
  return {
    errors: result.errors.map((error) =>
      error.extensions['code'] === undefined ? withCode(error, 'BAD_USER_INPUT') : error,
    ),
  };
}

function isRefusal(result: unknown): result is { readonly errors: readonly GraphQLError[] } {
  return typeof result === 'object' && result !== null && 'errors' in result && !('data' in result);
}

/** Apollo gives every error of parsing and validation its own code: back to ours. */
export function keepLimitCodes(formatted: GraphQLFormattedError, error: unknown): GraphQLFormattedError {
  const code = isTooLong(formatted.message) ? 'query_too_long' : limitCodeOf(error);
  return code === undefined ? formatted : { ...formatted, extensions: { ...formatted.extensions, code } };
}

function limitCodeOf(error: unknown): LimitCode | undefined {
  if (!(error instanceof GraphQLError) || !(error.originalError instanceof GraphQLError)) return undefined;
  const { code } = error.originalError.extensions;
  return LIMIT_CODES.find((known) => known === code);
}

/** graphql-js has no other mark on it. */
function isTooLong(message: string): boolean {
  return /^Syntax Error: Document contains more tha[nt] \d+ tokens/.test(message);
}

function withCode(error: GraphQLError, code: string): GraphQLError {
  const { message, nodes, source, positions, path } = error;
  return new GraphQLError(message, {
    nodes,
    source,
    positions,
    path,
    extensions: { ...error.extensions, code },
  });
}

import { z } from 'zod';
import { GrammarError } from './pattern.js';

/** A JSON Schema that is an object; what its keywords hold is checked where they are read. */
export type SchemaObject = Readonly<Record<string, unknown>>;

export const TYPES = ['object', 'array', 'string', 'integer', 'number', 'boolean', 'null'] as const;
export type SchemaType = (typeof TYPES)[number];

/** They say nothing that a value could break. */
const ANNOTATIONS: ReadonlySet<string> = new Set(
  'title description default examples example deprecated readOnly writeOnly $schema $id $comment $defs definitions'.split(
    ' ',
  ),
);
const KEYWORDS: Readonly<Record<SchemaType, readonly string[]>> = {
  object: ['properties', 'required', 'additionalProperties'],
  array: ['items', 'prefixItems', 'minItems', 'maxItems'],
  string: ['minLength', 'maxLength', 'pattern', 'format'],
  integer: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  number: ['minimum', 'maximum', 'exclusiveMinimum', 'exclusiveMaximum'],
  boolean: [],
  null: [],
};

const count = z.int().min(0).optional();
const keywordSchema = z.object({
  type: z.union([z.enum(TYPES), z.array(z.enum(TYPES)).min(1)]).optional(),
  enum: z.array(z.unknown()).min(1).optional(),
  const: z.unknown().optional(),
  $ref: z.string().optional(),
  anyOf: z.array(z.unknown()).min(1).optional(),
  oneOf: z.array(z.unknown()).min(1).optional(),
  allOf: z.array(z.unknown()).min(1).optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
  additionalProperties: z.unknown().optional(),
  items: z.unknown().optional(),
  prefixItems: z.array(z.unknown()).optional(),
  minItems: count,
  maxItems: count,
  minLength: count,
  maxLength: count,
  pattern: z.string().optional(),
  format: z.string().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  exclusiveMinimum: z.number().optional(),
  exclusiveMaximum: z.number().optional(),
});
export type Keywords = z.output<typeof keywordSchema>;

/** @throws GrammarError naming the keyword that isn't known or holds the wrong kind of value, and where it is */
export function readKeywords(schema: SchemaObject, path: string): Keywords {
  const result = keywordSchema.safeParse(schema);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const at = [path, ...(issue?.path.map(String) ?? [])].join('/');
  throw new GrammarError(`${at} is not valid: ${issue?.message ?? ''}`);
}

/**
 * Every keyword is either enforced or refused: what is ignored would be a promise that isn't kept.
 * @param used keywords that are read here
 * @throws GrammarError
 */
export function refuseOthers(schema: SchemaObject, used: readonly string[], path: string): void {
  const other = Object.keys(schema).find((name) => !ANNOTATIONS.has(name) && !used.includes(name));
  if (other !== undefined)
    throw new GrammarError(`'${other}' at ${path} is not supported${besides(schema, other)}`);
}

function besides(schema: SchemaObject, other: string): string {
  const exclusive = ['$ref', 'enum', 'const', 'anyOf', 'oneOf', 'allOf'].find((name) => name in schema);
  return exclusive === undefined || exclusive === other ? '' : ` beside '${exclusive}'`;
}

/** The types that a schema allows, by its `type` or by the keywords it has; undefined: all. */
export function typesOf(schema: SchemaObject, { type }: Keywords): readonly SchemaType[] | undefined {
  if (type !== undefined) return [type].flat();
  const meant = TYPES.filter(
    (name) => name !== 'integer' && KEYWORDS[name].some((keyword) => keyword in schema),
  );
  return meant.length > 0 ? meant : undefined;
}

/** Keywords of types, whichever are allowed: those of others have no effect. */
export const TYPE_KEYWORDS: readonly string[] = ['type', ...new Set(Object.values(KEYWORDS).flat())];

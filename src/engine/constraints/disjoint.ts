type Resolve = (ref: string) => unknown;

interface Outline {
  /** If it lists them, as JSON. */
  readonly values: readonly string[] | undefined;
  readonly types: readonly string[];
  /** Of required properties that have them: the values they may have, as JSON. */
  readonly constants: ReadonlyMap<string, readonly string[]>;
}

/** Whether no value satisfies two of these schemas, as far as it can be told from types and from constants in required properties. */
export function isDisjoint(schemas: readonly unknown[], resolve: Resolve): boolean {
  const outlines = schemas.map((schema) => outlineOf(schema, resolve));
  return outlines.every((a, i) =>
    outlines.slice(i + 1).every((b) => a !== undefined && b !== undefined && differ(a, b)),
  );
}

function differ(a: Outline, b: Outline): boolean {
  if (a.values && b.values) return !a.values.some((value) => b.values?.includes(value));
  if (!a.types.some((type) => b.types.includes(type))) return true;
  if (![...a.types, ...b.types].every((type) => type === 'object')) return false;
  return [...a.constants].some(([name, values]) => {
    const others = b.constants.get(name);
    return others !== undefined && !values.some((value) => others.includes(value));
  });
}

function outlineOf(schema: unknown, resolve: Resolve): Outline | undefined {
  const target = follow(schema, resolve);
  if (typeof target !== 'object' || target === null) return undefined;
  const { type, required, properties } = target as Record<string, unknown>;
  const values = valuesOf(target);
  const types = values ? values.map((value) => typeOf(JSON.parse(value))) : [type].flat().map(String);
  if (!values && type === undefined) return undefined;
  const constants = new Map<string, readonly string[]>();
  for (const name of Array.isArray(required) ? required : []) {
    const listed = valuesOf(
      follow((properties as Record<string, unknown> | undefined)?.[String(name)], resolve),
    );
    if (listed) constants.set(String(name), listed);
  }
  // an integer is a number
  return { values, types: types.map((one) => (one === 'integer' ? 'number' : one)), constants };
}

function follow(schema: unknown, resolve: Resolve): unknown {
  const ref = (schema as { $ref?: unknown } | null | undefined)?.$ref;
  return typeof ref === 'string' ? resolve(ref) : schema;
}

function valuesOf(schema: unknown): string[] | undefined {
  if (typeof schema !== 'object' || schema === null) return undefined;
  if ('const' in schema) return [JSON.stringify(schema.const)];
  return 'enum' in schema && Array.isArray(schema.enum)
    ? schema.enum.map((value) => JSON.stringify(value))
    : undefined;
}

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'array' : typeof value;
}

import { z } from 'zod';
import { isTooDeep, MOST_LEVELS } from '../engine/nesting.js';
import type { Constraint } from '../engine/types.js';

/** What it says is read, and refused, by the engine. */
export const jsonSchemaField = z
  .record(z.string(), z.unknown())
  .refine((schema) => !isTooDeep(schema), `is nested too deeply: ${MOST_LEVELS} levels are the most`);

export const responseFormatField = z
  .discriminatedUnion(
    'type',
    [
      z.strictObject({ type: z.literal('text') }),
      z.strictObject({ type: z.literal('json_object') }),
      z.strictObject({
        type: z.literal('json_schema'),
        json_schema: z.strictObject({
          name: z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, 'must be up to 64 letters, digits, _ and -'),
          description: z.string().nullish(),
          schema: jsonSchemaField.nullish(),
          /** The schema is enforced in any case. */
          strict: z.boolean().nullish(),
        }),
      }),
    ],
    { error: "must be an object whose type is 'text', 'json_object' or 'json_schema'" },
  )
  .nullish();

export function toConstraint(format: z.output<typeof responseFormatField>): Constraint | undefined {
  switch (format?.type) {
    case undefined:
    case 'text':
      return undefined;
    case 'json_object':
      return { kind: 'json' };
    case 'json_schema':
      return { kind: 'json-schema', schema: format.json_schema.schema ?? {} };
    default:
      return format satisfies never;
  }
}

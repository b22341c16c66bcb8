import { StandardSchemaValidationPipe } from '@nestjs/common';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { InvalidRequestError } from '../engine/errors.js';
import { checkBody } from './check-body.js';

/** Marks an issue, and a field of the document of the API, as "this server knows the field and does not support it". */
const UNSUPPORTED = { unsupported: true } as const;

/**
 * A field of the protocol that isn't supported: refused by name, unless it has a value that asks for nothing.
 * @param neutral values that mean the same as leaving the field out
 */
export function unsupportedField(...neutral: readonly unknown[]) {
  return z
    .unknown()
    .optional()
    .refine(
      (value) =>
        value === undefined || value === null || neutral.some((known) => isDeepStrictEqual(known, value)),
      {
        params: UNSUPPORTED,
        message:
          neutral.length > 0
            ? `only ${neutral.map((value) => JSON.stringify(value)).join(' or ')} is supported`
            : 'is not supported',
      },
    )
    .meta(UNSUPPORTED);
}

/**
 * Nest would drop keys named `__proto__`, `prototype` and `constructor`, wherever they are, without a word. The latter two
 * may be meant (a JSON schema may have a property of that name) and do no harm; the first is refused.
 */
class ValidationPipe extends StandardSchemaValidationPipe {
  protected override stripProtoKeys(value: unknown): void {
    checkBody(value);
  }
}

/** Validates bodies against the schema of their parameter: `@Body({ schema })`. */
export function validationPipe(): StandardSchemaValidationPipe {
  return new ValidationPipe({
    exceptionFactory: (issues) => toInvalidRequest(issues as z.core.$ZodIssue[]),
  });
}

/**
 * For what isn't the body of a REST request, which the pipe sees.
 * @throws InvalidRequestError naming the first field at fault
 */
export function parseWith<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  checkBody(value);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw toInvalidRequest(result.error.issues);
}

function toInvalidRequest(issues: readonly z.core.$ZodIssue[]): InvalidRequestError {
  const issue = issues[0];
  if (!issue) return new InvalidRequestError('invalid_value', 'The request is not valid.');
  const param = z.core.toDotPath(issue.path);
  if (issue.code === 'unrecognized_keys') {
    const name = z.core.toDotPath([...issue.path, issue.keys[0] ?? '']);
    return new InvalidRequestError('unknown_parameter', `Unknown parameter: '${name}'.`, { param: name });
  }
  if (param === '') {
    return new InvalidRequestError(
      'invalid_value',
      'Send a JSON object as the body, with Content-Type: application/json.',
    );
  }
  if (issue.code === 'custom' && issue.params?.['unsupported'] === true) {
    return new InvalidRequestError(
      'unsupported_parameter',
      `'${param}' is not supported by this server: ${issue.message}.`,
      { param },
    );
  }
  if (issue.message.endsWith('received undefined')) {
    return new InvalidRequestError('missing_required_parameter', `Missing required parameter: '${param}'.`, {
      param,
    });
  }
  return new InvalidRequestError(
    'invalid_value',
    `Invalid value for '${param}': ${lowerFirst(issue.message)}.`,
    { param },
  );
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1).replace(/\.$/, '');
}

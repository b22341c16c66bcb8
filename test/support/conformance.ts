import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import type { z } from 'zod';
import { batchListQuerySchema, batchRequestSchema } from '../../src/batch/batches.schema.js';
import { fileListQuerySchema, uploadSchema } from '../../src/batch/files.schema.js';
import { InvalidRequestError } from '../../src/engine/errors.js';
import { chatRequestSchema } from '../../src/openai/chat.schema.js';
import { completionRequestSchema } from '../../src/openai/completions.schema.js';
import { embeddingRequestSchema } from '../../src/openai/embeddings.schema.js';
import { toErrorAnswer } from '../../src/transport/error-envelope.js';
import { parseWith } from '../../src/transport/validation.js';
import {
  BATCH_DETAILS,
  BATCH_FIELDS,
  BATCH_LIST_FIELDS,
  CHAT_DETAILS,
  CHAT_FIELDS,
  COMPLETION_DETAILS,
  COMPLETION_FIELDS,
  EMBEDDING_DETAILS,
  EMBEDDING_FIELDS,
  FILE_DETAILS,
  FILE_FIELDS,
  FILE_LIST_FIELDS,
  type FieldProbe,
} from './openai-fields.js';

export const CONFORMANCE_FILE = fileURLToPath(new URL('../../docs/conformance.md', import.meta.url));

/** Proves by itself that a field is accepted, or refused by name. */
export const TABLE_TEST = 'test/unit/conformance.test.ts';

export interface ProbedEndpoint {
  readonly path: string;
  readonly schema: z.ZodType;
  readonly minimal: Readonly<Record<string, unknown>>;
  readonly probes: Readonly<Record<string, FieldProbe>>;
}

export const ENDPOINTS: readonly ProbedEndpoint[] = [
  {
    path: 'POST /v1/chat/completions',
    schema: chatRequestSchema,
    minimal: { model: 'm', messages: [{ role: 'user', content: 'Hi' }] },
    probes: { ...CHAT_FIELDS, ...CHAT_DETAILS },
  },
  {
    path: 'POST /v1/completions',
    schema: completionRequestSchema,
    minimal: { model: 'm', prompt: 'a' },
    probes: { ...COMPLETION_FIELDS, ...COMPLETION_DETAILS },
  },
  {
    path: 'POST /v1/embeddings',
    schema: embeddingRequestSchema,
    minimal: { model: 'm', input: 'a' },
    probes: { ...EMBEDDING_FIELDS, ...EMBEDDING_DETAILS },
  },
  {
    path: 'POST /v1/files',
    schema: uploadSchema,
    minimal: { purpose: 'batch', file: new File(['{}'], 'lines.jsonl') },
    probes: { ...FILE_FIELDS, ...FILE_DETAILS },
  },
  { path: 'GET /v1/files', schema: fileListQuerySchema, minimal: {}, probes: FILE_LIST_FIELDS },
  {
    path: 'POST /v1/batches',
    schema: batchRequestSchema,
    minimal: { input_file_id: 'file-1', endpoint: '/v1/chat/completions' },
    probes: { ...BATCH_FIELDS, ...BATCH_DETAILS },
  },
  { path: 'GET /v1/batches', schema: batchListQuerySchema, minimal: {}, probes: BATCH_LIST_FIELDS },
];

/** `refused` by name, or for want of another field that is; any other refusal is neither. */
export type Outcome =
  | { readonly kind: 'supported' }
  | { readonly kind: 'refused'; readonly code: string; readonly field: string }
  | { readonly kind: 'unclear'; readonly why: string };

/** What the schema says to a request that asks for something with the field. */
export function probe({ schema, minimal }: ProbedEndpoint, name: string, { ask }: FieldProbe): Outcome {
  const whole = refusalOf(schema, { ...minimal, ...ask });
  if (!whole) return { kind: 'supported' };
  const field = fieldOf(name);
  const alone = refusalOf(schema, { ...minimal, [field]: ask[field] });
  for (const refusal of [whole, alone])
    if (refusal && namedIn(refusal) === field) return { kind: 'refused', code: refusal.code, field };
  // what it needs is refused
  const needed = Object.keys(ask).find((other) => other === namedIn(whole));
  if (needed !== undefined) return { kind: 'refused', code: whole.code, field: needed };
  return { kind: 'unclear', why: whole.message };
}

/** Whether the value is accepted for the field. */
export function accepts({ schema, minimal }: ProbedEndpoint, name: string, value: unknown): boolean {
  return refusalOf(schema, { ...minimal, [fieldOf(name)]: value }) === undefined;
}

function refusalOf(schema: z.ZodType, body: object): InvalidRequestError | undefined {
  try {
    parseWith(schema, body);
    return undefined;
  } catch (error) {
    if (error instanceof InvalidRequestError) return error;
    throw error;
  }
}

/** The field that a 400 names. */
function namedIn(refusal: InvalidRequestError): string | undefined {
  const { status, error } = toErrorAnswer(refusal);
  return status === 400 ? error.param?.split(/[.[]/)[0] : undefined;
}

function fieldOf(name: string): string {
  return name.split(':')[0] ?? name;
}

const INTRODUCTION = `# Conformance

Every field of OpenAI's requests, as the types of the \`openai\` package (version in package.json) have them, and some of what
can be said within fields. **Supported** fields do what OpenAI says (\`user\`: see [api.md](api.md)); the test named beside each
shows it, or, if it is that of this table, shows that they are accepted. **Refused** ones are a 400 that names the field, with the
code given: nothing is ignored. Values that ask for nothing are accepted.

Written by \`npm run conformance\` from what the schemas say to a request with each field; \`${TABLE_TEST}\` fails if
this file says anything else.
`;

/** What the committed file must hold. */
export function formatConformanceFile(): Promise<string> {
  const text = [INTRODUCTION, ...ENDPOINTS.map(formatEndpoint)].join('\n');
  return format(text, { parser: 'markdown', printWidth: 110 });
}

function formatEndpoint(endpoint: ProbedEndpoint): string {
  const rows = Object.entries(endpoint.probes)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => formatRow(endpoint, name, field));
  return [
    `## ${endpoint.path}`,
    '',
    '| field | | but accepted | shown by |',
    '| --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

function formatRow(endpoint: ProbedEndpoint, name: string, field: FieldProbe): string {
  const outcome = probe(endpoint, name, field);
  const label = `\`${fieldOf(name)}\`${name.slice(fieldOf(name).length)}`;
  switch (outcome.kind) {
    case 'supported':
      return `| ${label} | **supported** | | \`${field.proof ?? TABLE_TEST}\` |`;
    case 'refused': {
      const neutral = (field.neutral ?? []).map((value) => `\`${JSON.stringify(value)}\``).join(', ');
      const needs = outcome.field === fieldOf(name) ? '' : `, needs \`${outcome.field}\``;
      return `| ${label} | refused: \`${outcome.code}\`${needs} | ${neutral} | \`${TABLE_TEST}\` |`;
    }
    case 'unclear':
      throw new Error(`${endpoint.path}, ${name}: ${outcome.why}`);
    default:
      return outcome satisfies never;
  }
}

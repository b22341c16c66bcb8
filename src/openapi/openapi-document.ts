import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { DOCUMENTED_SCHEMAS, OPERATIONS, type Operation, type SchemaName } from './operations.js';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
type JsonObject = { readonly [key: string]: Json };

const DESCRIPTION = `Transformer models, loaded once and kept resident. Fields that OpenAI has and that are not listed here are
refused by name (400, \`unsupported_parameter\`), as are unknown ones (\`unknown_parameter\`): nothing is ignored.`;

/** Headers of answers; see docs/api.md. */
const HEADERS = {
  'x-request-id': 'Id of the request: the one that it was sent with, or a new one.',
  'x-resident-instance': 'Id of the load that answered.',
  'x-resident-queue-ms': 'How long the request waited for the model.',
  'x-resident-prefill-ms': 'How long the model took for the prompt.',
  'x-resident-inference-ms': 'How long the model took, where an answer comes in one piece.',
  'x-resident-total-ms': 'From the request until its answer; not where it is streamed.',
} as const;
type HeaderName = keyof typeof HEADERS;

const GENERATION_HEADERS: readonly HeaderName[] = [
  'x-resident-instance',
  'x-resident-queue-ms',
  'x-resident-prefill-ms',
];
const ENCODER_HEADERS: readonly HeaderName[] = [
  'x-resident-instance',
  'x-resident-queue-ms',
  'x-resident-inference-ms',
];

const FAILURES = {
  400: 'The request is at fault; `param` names the field',
  404: 'No such model',
  413: 'The body is too large',
  429: 'The queue is full; try again after `Retry-After`',
  500: 'The server is at fault',
  503: 'The model is loading, draining or restarting; try again after `Retry-After`',
  504: "The request's own `timeout` passed",
} as const;

const BINARY: JsonObject = { 'application/octet-stream': { schema: { type: 'string', format: 'binary' } } };

const TEXT: JsonObject = { 'text/plain': { schema: { type: 'string' } } };

/** The OpenAPI document of the REST API, from the schemas that validate its requests. */
export function openApiDocument(): JsonObject {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Resident',
      version: packageVersion(),
      description: DESCRIPTION,
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: [...new Set(OPERATIONS.map(({ tag }) => tag))].map((name) => ({ name })),
    paths: paths(),
    components: {
      schemas: schemas(),
      headers: Object.fromEntries(
        Object.entries(HEADERS).map(([name, description]) => [
          name,
          { description, schema: { type: 'string' } },
        ]),
      ),
    },
  };
}

function paths(): JsonObject {
  return Object.fromEntries(OPERATIONS.map(({ path }) => [path, methodsOf(path)]));
}

function methodsOf(path: string): JsonObject {
  const entries = OPERATIONS.filter((entry) => entry.path === path);
  return Object.fromEntries(entries.map((entry) => [entry.method, operation(entry)]));
}

function operation(entry: Operation): JsonObject {
  const { id, tag, summary } = entry;
  const listed = parameters(entry);
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(listed.length === 0 ? {} : { parameters: listed }),
    ...requestBody(entry),
    responses: responses(entry),
  };
}

/** Of the path and of the query. */
function parameters({ path, query }: Operation): JsonObject[] {
  const name = /\{(\w+)\}/.exec(path)?.[1];
  const inPath: JsonObject[] =
    name === undefined ? [] : [{ name, in: 'path', required: true, schema: { type: 'string' } }];
  if (!query) return inPath;
  const { properties = {} } = z.toJSONSchema(query, { io: 'input' });
  const inQuery = Object.entries(properties).map(([key, schema]) => {
    const { description, ...rest } = schema as JsonObject;
    return { name: key, in: 'query', ...(description === undefined ? {} : { description }), schema: rest };
  });
  return [...inPath, ...inQuery];
}

function requestBody({ request, form }: Operation): JsonObject {
  if (request !== undefined) return { requestBody: { required: true, content: jsonContent(request) } };
  if (form === undefined) return {};
  const encoding = { expires_after: { style: 'deepObject', explode: true } };
  const content = { 'multipart/form-data': { schema: { $ref: refTo(form) }, encoding } };
  return { requestBody: { required: true, content } };
}

function responses(entry: Operation): JsonObject {
  const { answer, chunk, unavailable, tag } = entry;
  const headers = tag === 'Generation' ? GENERATION_HEADERS : tag === 'Encoders' ? ENCODER_HEADERS : [];
  const stream: JsonObject = chunk === undefined ? {} : { 'text/event-stream': eventContent(chunk) };
  const failures = Object.entries(failuresOf(entry)).map(
    ([status, description]) => [status, failure(description)] as const,
  );
  return {
    200: {
      description: 'OK',
      headers: headerRefs(['x-request-id', ...headers, 'x-resident-total-ms']),
      content: { ...contentOf(answer), ...stream },
    },
    ...Object.fromEntries(failures),
    ...(unavailable === undefined
      ? {}
      : { 503: { description: 'Not now', content: jsonContent(unavailable) } }),
  };
}

function contentOf(answer: Operation['answer']): JsonObject {
  switch (answer) {
    case 'binary':
      return BINARY;
    case 'text':
      return TEXT;
    default:
      return jsonContent(answer);
  }
}

function failuresOf({ failures, request, path }: Operation): Readonly<Record<number, string>> {
  if (failures) return failures;
  if (request !== undefined) return FAILURES;
  return path.includes('{') ? { 404: FAILURES[404] } : {};
}

function failure(description: string): JsonObject {
  return { description, headers: headerRefs(['x-request-id']), content: jsonContent('Error') };
}

function headerRefs(names: readonly HeaderName[]): JsonObject {
  return Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
}

function jsonContent(name: SchemaName): JsonObject {
  return { 'application/json': { schema: { $ref: refTo(name) } } };
}

/** OpenAPI 3.1 has no word for a stream of events: the schema is that of an event's data. */
function eventContent(name: SchemaName): JsonObject {
  return {
    schema: {
      $ref: refTo(name),
      description: 'The data of each event; the last one is [DONE]. A failure is an event with an error.',
    },
  };
}

function refTo(name: string): string {
  return `#/components/schemas/${name}`;
}

/** As JSON Schema, which OpenAPI 3.1 takes as it is; what one schema uses of another is a reference. */
function schemas(): JsonObject {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(DOCUMENTED_SCHEMAS)) registry.add(schema, { id });
  const generated = z.toJSONSchema(registry, { io: 'input', unrepresentable: 'any', uri: refTo }).schemas;
  if ('__shared' in generated) throw new Error('a schema that refers to itself needs a name in the document');
  return Object.fromEntries(
    Object.entries(generated).map(([id, schema]) => [id, withoutUnsupported(embedded(schema as JsonObject))]),
  );
}

/** Without what only a document of its own says. */
function embedded(schema: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(schema).filter(([key]) => key !== '$schema' && key !== '$id'));
}

/** Without the fields that are there to be refused by name. */
function withoutUnsupported(schema: Json): Json {
  if (schema === null || typeof schema !== 'object') return schema;
  if (isArray(schema)) return schema.map(withoutUnsupported);
  return Object.fromEntries(
    Object.entries(schema).flatMap(([key, value]) =>
      isUnsupported(value) ? [] : [[key, withoutUnsupported(value)]],
    ),
  );
}

function isUnsupported(value: Json | undefined): boolean {
  return typeof value === 'object' && value !== null && 'unsupported' in value && value.unsupported === true;
}

/** `Array.isArray` doesn't narrow read-only arrays. */
function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

function packageVersion(): string {
  const { version } = z
    .object({ version: z.string() })
    .parse(JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')));
  return version;
}

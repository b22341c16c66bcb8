import { isUtf8 } from 'node:buffer';
import type { LineFormat } from '../batch-types.js';
import type { LineErrorCode, LineProblem } from './line-problem.js';
import type { Line } from './read-lines.js';

/** What a line asks for; its body isn't looked at yet. */
export interface LineRequest {
  readonly customId: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export type ParsedLine =
  | ({ readonly ok: true } & LineRequest)
  /** `customId`: if it could still be read. */
  | { readonly ok: false; readonly customId: string | null; readonly problem: LineProblem };

type Fields = Record<string, unknown>;

const ENVELOPE: ReadonlySet<string> = new Set(['custom_id', 'method', 'url', 'body']);

/**
 * Reads what every line has: valid JSON, a `custom_id` and, in OpenAI's format, where its body is to go.
 * @param maxLineBytes for the message
 */
export function parseLine(
  line: Line,
  { format, endpoint, maxLineBytes }: { format: LineFormat; endpoint: string; maxLineBytes: number },
): ParsedLine {
  switch (line.kind) {
    case 'too_long':
      return refused(null, 'line_too_long', `The line is longer than ${maxLineBytes} bytes.`);
    case 'blank':
      return refused(null, 'invalid_json', 'The line is empty.');
    case 'line': {
      const fields = parseObject(line.bytes);
      return typeof fields === 'string'
        ? refused(null, 'invalid_json', fields)
        : parseFields(fields, format, endpoint);
    }
    default:
      return line satisfies never;
  }
}

/** @returns the object, or what is wrong */
function parseObject(bytes: Buffer): Fields | string {
  if (!isUtf8(bytes)) return 'The line is not valid UTF-8.';
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    return `The line is not valid JSON: ${(error as Error).message}.`;
  }
  return isObject(value) ? value : 'The line is not a JSON object.';
}

function parseFields(fields: Fields, format: LineFormat, endpoint: string): ParsedLine {
  const { custom_id: customId } = fields;
  if (typeof customId !== 'string' || customId === '') {
    const message =
      customId === undefined
        ? "Missing required parameter: 'custom_id'."
        : "'custom_id' must be a text that isn't empty.";
    const code = customId === undefined ? 'missing_required_parameter' : 'invalid_value';
    return refused(null, code, message, 'custom_id');
  }
  switch (format) {
    case 'flat': {
      const { custom_id: _, ...body } = fields;
      return { ok: true, customId, body };
    }
    case 'openai':
      return openEnvelope(customId, fields, endpoint);
    default:
      return format satisfies never;
  }
}

function openEnvelope(customId: string, fields: Fields, endpoint: string): ParsedLine {
  for (const name of ENVELOPE)
    if (fields[name] === undefined)
      return refused(
        customId,
        'missing_required_parameter',
        `Missing required parameter: '${name}'. A line has custom_id, method, url and body.`,
        name,
      );
  for (const name of Object.keys(fields))
    if (!ENVELOPE.has(name))
      return refused(customId, 'unknown_parameter', `Unknown parameter: '${name}'.`, name);
  const { method, url, body } = fields;
  if (method !== 'POST')
    return refused(customId, 'invalid_value', "Invalid value for 'method': must be POST.", 'method');
  if (url !== endpoint)
    return refused(
      customId,
      'mismatched_url',
      `The line is for ${typeof url === 'string' ? `'${url}'` : 'another url'}, but its batch is for '${endpoint}'.`,
      'url',
    );
  if (!isObject(body))
    return refused(customId, 'invalid_value', "Invalid value for 'body': must be an object.", 'body');
  return { ok: true, customId, body };
}

function refused(
  customId: string | null,
  code: LineErrorCode,
  message: string,
  param: string | null = null,
): ParsedLine {
  return { ok: false, customId, problem: { code, message, param } };
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

import { expect } from 'vitest';
import type { JsonAnswer } from './app.js';

export type Part =
  readonly [name: string, value: string] | readonly [name: string, content: Blob, filename: string];

export const PURPOSE: Part = ['purpose', 'batch'];

export function file(
  content: string | Uint8Array<ArrayBuffer>,
  filename = 'lines.jsonl',
  name = 'file',
): Part {
  return [name, new Blob([content]), filename];
}

/** @param url of the server */
export async function sendForm(url: string, parts: readonly Part[]): Promise<JsonAnswer> {
  const form = new FormData();
  for (const [name, value, filename] of parts)
    if (typeof value === 'string') form.append(name, value);
    else form.append(name, value, filename);
  const response = await fetch(`${url}/v1/files`, { method: 'POST', body: form });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

/** @returns the id of the file */
export async function upload(
  url: string,
  content: string | Uint8Array<ArrayBuffer>,
  filename?: string,
): Promise<string> {
  const { status, body } = await sendForm(url, [PURPOSE, file(content, filename)]);
  expect(status).toBe(200);
  return body['id'] as string;
}

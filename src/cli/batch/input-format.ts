import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import type { LineFormat } from '../../batch/batch-types.js';

export interface InputFormat {
  readonly lineFormat: LineFormat;
  /** What the first line asks for, in OpenAI's format. */
  readonly endpoint: string | undefined;
}

/** Of the first line: what is longer isn't looked at. */
const MOST_BYTES = 10 * 2 ** 20;
const GZIP = [0x1f, 0x8b] as const;
const FLAT: InputFormat = { lineFormat: 'flat', endpoint: undefined };

/** Tells OpenAI's lines, which have a `body` and a `url`, from flat ones by the first line that isn't blank. */
export async function inputFormatOf(path: string): Promise<InputFormat> {
  const line = await firstLine(path);
  if (line === undefined) return FLAT;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return FLAT; // the batch tells what is wrong with it
  }
  if (typeof value !== 'object' || value === null || !('body' in value || 'url' in value)) return FLAT;
  const { url } = value as { readonly url?: unknown };
  return { lineFormat: 'openai', endpoint: typeof url === 'string' ? url : undefined };
}

async function firstLine(path: string): Promise<string | undefined> {
  const source = createReadStream(path);
  const plain: Readable = (await isCompressed(path)) ? source.pipe(createGunzip()) : source;
  plain.setEncoding('utf8');
  let text = '';
  try {
    for await (const part of plain as AsyncIterable<string>) {
      text = (text + part).replace(/^\uFEFF?\s+/, '');
      const end = text.indexOf('\n');
      if (end >= 0) return text.slice(0, end).replace(/^\uFEFF/, '');
      if (text.length > MOST_BYTES) return undefined;
    }
  } catch {
    return undefined; // damaged: the batch tells it
  } finally {
    source.destroy();
  }
  return text === '' ? undefined : text.replace(/^\uFEFF/, '');
}

async function isCompressed(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(GZIP.length), 0, GZIP.length, 0);
    return bytesRead === GZIP.length && GZIP.every((byte, i) => buffer[i] === byte);
  } finally {
    await file.close();
  }
}

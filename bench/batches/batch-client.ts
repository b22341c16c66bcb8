import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream, createWriteStream, statSync } from 'node:fs';
import { request, type IncomingMessage } from 'node:http';
import { basename } from 'node:path';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** What a batch is asked for here. */
export interface BatchAnswer {
  readonly id: string;
  readonly status: string;
  readonly output_file_id: string | null;
  readonly error_file_id: string | null;
  readonly errors: unknown;
  readonly request_counts: { readonly total: number; readonly completed: number; readonly failed: number };
}

const OVER: ReadonlySet<string> = new Set(['completed', 'failed', 'expired', 'cancelled']);
const POLL_MS = 50;

export function isOver(status: string): boolean {
  return OVER.has(status);
}

/** Streams a file to the server. @returns its id */
export async function uploadFile(url: string, path: string): Promise<string> {
  const boundary = `----${randomUUID()}`;
  const head = [
    `--${boundary}`,
    'Content-Disposition: form-data; name="purpose"',
    '',
    'batch',
    `--${boundary}`,
    `Content-Disposition: form-data; name="file"; filename="${basename(path)}"`,
    'Content-Type: application/jsonl',
    '',
    '',
  ].join('\r\n');
  const tail = `\r\n--${boundary}--\r\n`;
  const length = Buffer.byteLength(head) + statSync(path).size + Buffer.byteLength(tail);
  const sent = request(`${url}/v1/files`, {
    method: 'POST',
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}`, 'content-length': length },
  });
  const answered = once(sent, 'response') as Promise<[IncomingMessage]>;
  answered.catch(() => undefined); // thrown where it is awaited
  sent.write(head);
  await pipeline(createReadStream(path, { highWaterMark: 2 ** 18 }), sent, { end: false });
  sent.end(tail);
  const [response] = await answered;
  return (JSON.parse(await textOf(response)) as { id: string }).id;
}

export async function createBatch(url: string, inputFileId: string): Promise<BatchAnswer> {
  const response = await fetch(`${url}/v1/batches`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      input_file_id: inputFileId,
      endpoint: '/v1/completions',
      completion_window: '24h',
    }),
  });
  return (await json(response)) as BatchAnswer;
}

export async function getBatch(url: string, id: string): Promise<BatchAnswer> {
  return (await json(await fetch(`${url}/v1/batches/${id}`))) as BatchAnswer;
}

/** Resolves when the batch is over, whatever it came to. @param onState sees every answer on the way */
export async function waitForBatch(
  url: string,
  id: string,
  onState: (batch: BatchAnswer) => void = () => undefined,
): Promise<BatchAnswer> {
  for (;;) {
    const batch = await getBatch(url, id);
    onState(batch);
    if (isOver(batch.status)) return batch;
    await sleep(POLL_MS);
  }
}

/** Streams the content of a file of the server into one of ours. */
export async function downloadFile(url: string, id: string, path: string): Promise<void> {
  const sent = request(`${url}/v1/files/${id}/content`).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  if (response.statusCode !== 200) await textOf(response);
  await pipeline(response, createWriteStream(path));
}

async function textOf(response: IncomingMessage): Promise<string> {
  const body = await text(response);
  if (response.statusCode !== 200) throw new Error(`the server answered ${response.statusCode}: ${body}`);
  return body;
}

async function json(response: Response): Promise<unknown> {
  const body = await response.text();
  if (!response.ok) throw new Error(`the server answered ${response.status}: ${body}`);
  return JSON.parse(body);
}

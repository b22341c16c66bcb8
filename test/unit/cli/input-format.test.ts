import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inputFormatOf } from '../../../src/cli/batch/input-format.js';
import { deliveryTo, freeOutput } from '../../../src/cli/batch/results-of.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'resident-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const OPENAI = '{"custom_id": "a", "method": "POST", "url": "/v1/embeddings", "body": {}}';
const FLAT = '{"custom_id": "a", "prompt": "b"}';

describe('inputFormatOf', () => {
  it.each<[what: string, content: string | Buffer, lineFormat: string, endpoint: string | undefined]>([
    ["OpenAI's lines", `${OPENAI}\n${FLAT}\n`, 'openai', '/v1/embeddings'],
    ['flat lines', `${FLAT}\n${OPENAI}\n`, 'flat', undefined],
    ['one line without an end', OPENAI, 'openai', '/v1/embeddings'],
    ['a byte order mark', `\uFEFF${OPENAI}\n`, 'openai', '/v1/embeddings'],
    ['blank lines before', `\n\n  \r\n${OPENAI}\r\n`, 'openai', '/v1/embeddings'],
    ['a body without a url', '{"custom_id": "a", "body": {}}', 'openai', undefined],
    ['gzip', gzipSync(`${OPENAI}\n${'x'.repeat(100_000)}`), 'openai', '/v1/embeddings'],
    ['damaged gzip', Buffer.from([0x1f, 0x8b, 1, 2, 3]), 'flat', undefined],
    ['no JSON', `nope\n${OPENAI}`, 'flat', undefined],
    ['no object', `[]\n${OPENAI}`, 'flat', undefined],
    ['nothing', '', 'flat', undefined],
    ['one byte', 'a', 'flat', undefined],
  ])('%s', async (_, content, lineFormat, endpoint) => {
    const path = join(folder, 'input');
    writeFileSync(path, content);
    expect(await inputFormatOf(path)).toEqual({ lineFormat, endpoint });
  });
});

describe('where results go', () => {
  it('is never where something is already', () => {
    expect(freeOutput(folder, '/a/night.jsonl.gz')).toBe(join(folder, 'night.output.jsonl'));
    writeFileSync(join(folder, 'night.errors.jsonl'), '');
    writeFileSync(join(folder, 'night-2.output.jsonl'), '');
    expect(freeOutput(folder, 'night.jsonl')).toBe(join(folder, 'night-3.output.jsonl'));
    expect(() => deliveryTo(join(folder, 'night.errors.jsonl'))).toThrow('is there already');
    expect(() => deliveryTo(join(folder, 'nowhere', 'a.jsonl'))).toThrow('There is no folder');
    expect(deliveryTo(join(folder, 'a.jsonl'))).toEqual({
      temporary: join(folder, '.a.jsonl.tmp'),
      complete: join(folder, '.a.jsonl.complete'),
      results: join(folder, 'a.jsonl'),
      done: null,
    });
  });
});

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest';
import { modelJsonReader } from '../../src/engine/loading/model-json.js';

const cacheDir = mkdtempSync(join(tmpdir(), 'resident-model-json-'));
const tokens: (string | undefined)[] = [];
let answer: readonly [status: number, body: string];
let hub: Server;
let endpoint: string;

beforeAll(async () => {
  hub = createServer((request, response) => {
    tokens.push(request.headers.authorization);
    response.writeHead(answer[0]).end(answer[1]);
  }).listen(0, '127.0.0.1');
  await once(hub, 'listening');
  endpoint = `http://127.0.0.1:${(hub.address() as AddressInfo).port}`;
});
afterAll(() => {
  hub.close();
  rmSync(cacheDir, { recursive: true, force: true });
});
afterEach(() => {
  vi.unstubAllEnvs();
  tokens.length = 0;
});

const readerOf = (id: string) =>
  modelJsonReader({ kind: 'hub', id, revision: 'main' }, { endpoint, cacheDir });

it('keeps what it was given, and that there is nothing', async () => {
  const read = readerOf('owner/kept');
  answer = [200, '{"a": 1}'];
  expect(await read('there.json')).toEqual({ a: 1 });
  answer = [404, ''];
  expect(await read('absent.json')).toBeUndefined();
  answer = [500, ''];
  expect(await read('there.json')).toEqual({ a: 1 });
  expect(await read('absent.json')).toBeUndefined();
  expect(tokens).toHaveLength(2);
});

it('does not keep what is no JSON', async () => {
  const read = readerOf('owner/behind-a-proxy');
  answer = [200, '<html>Log in</html>'];
  await expect(read('modules.json')).rejects.toThrow('modules.json of the model is not valid JSON');
  answer = [200, '[]'];
  expect(await read('modules.json')).toEqual([]);
});

it('tells a mirror no token', async () => {
  vi.stubEnv('HF_TOKEN', 'secret');
  answer = [200, '{}'];
  await readerOf('owner/mirrored')('modules.json');
  expect(tokens).toEqual([undefined]);
});

it('says what to do where access is refused', async () => {
  answer = [401, ''];
  await expect(readerOf('owner/gated')('modules.json')).rejects.toThrow(/status 401.*HF_TOKEN/);
});

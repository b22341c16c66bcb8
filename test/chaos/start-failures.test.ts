import { cpSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { TALES } from '../support/models.js';
import { ServerProcess, type ServerExit } from '../support/server.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'resident-broken-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A copy of the embedded model to break. */
function copyOfTales(): string {
  const copy = join(folder, 'tales');
  cpSync(TALES.source, copy, { recursive: true });
  return copy;
}

async function startWith(model: object, env: NodeJS.ProcessEnv = {}): Promise<ServerExit> {
  const config = JSON.stringify({ models: [{ name: 'tales', ...model }] }); // JSON is YAML
  const server = await ServerProcess.start({ config, env });
  try {
    return await server.exited;
  } finally {
    await server.dispose();
  }
}

/** Exit code 1, and on stderr one line: what is wrong and what to do. */
function expectOneSentence({ code, stderr, stdout }: ServerExit, ...parts: string[]): void {
  expect(code).toBe(1);
  expect(stderr.trimEnd().split('\n')).toHaveLength(1);
  expect(stderr).toMatch(/^resident: /);
  for (const part of parts) expect(stderr).toContain(part);
  expect(stdout + stderr).not.toMatch(/^\s+at /m);
}

it('a missing model folder is named', async () => {
  expectOneSentence(
    await startWith({ source: join(folder, 'nowhere') }),
    "Model 'tales'",
    join(folder, 'nowhere'),
    "Set 'source'",
  );
});

it('a database that is not there is named, without its password', async () => {
  const env = { DATABASE_URL: 'postgres://night:secret@127.0.0.1:1/batches' };
  const exit = await startWith({ source: TALES.source }, env);
  expectOneSentence(exit, 'night:***@127.0.0.1:1', 'leave DATABASE_URL out');
  expect(exit.stdout + exit.stderr).not.toContain('secret');
});

it('a source that is a file is refused', async () => {
  const source = join(TALES.source, 'config.json');
  expectOneSentence(await startWith({ source }), 'is a file', 'the folder that holds its config.json');
});

it('a truncated ONNX file is named, with the remedy', async () => {
  const source = copyOfTales();
  truncateSync(join(source, 'onnx/model_quantized.onnx'), 5_000_000);
  expectOneSentence(
    await startWith({ source }),
    'onnx/model_quantized.onnx',
    "can't be loaded",
    'fetch it again',
  );
});

it('an ONNX file of rubbish is named', async () => {
  const source = copyOfTales();
  writeFileSync(join(source, 'onnx/model_quantized.onnx'), 'this is not a model');
  expectOneSentence(await startWith({ source }), 'onnx/model_quantized.onnx', "can't be loaded");
});

it('a Git LFS pointer in place of the weights is recognised', async () => {
  const source = copyOfTales();
  writeFileSync(
    join(source, 'onnx/model_quantized.onnx'),
    'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n',
  );
  expectOneSentence(await startWith({ source }), 'git lfs pull');
});

it('a broken tokenizer.json is named', async () => {
  const source = copyOfTales();
  truncateSync(join(source, 'tokenizer.json'), 1000);
  expectOneSentence(await startWith({ source }), 'tokenizer.json', 'is not valid JSON');
});

it('a tokenizer.json that is no tokenizer is named', async () => {
  const source = copyOfTales();
  writeFileSync(join(source, 'tokenizer.json'), '{"version": "1.0"}');
  expectOneSentence(await startWith({ source }), 'tokenizer');
});

it('a missing tokenizer is named', async () => {
  const source = copyOfTales();
  rmSync(join(source, 'tokenizer.json'));
  expectOneSentence(await startWith({ source }), 'has no tokenizer.json');
});

it('a folder without weights says what was expected and what is there', async () => {
  const source = copyOfTales();
  rmSync(join(source, 'onnx'), { recursive: true });
  expectOneSentence(await startWith({ source }), 'has no ONNX weights', 'found none');
});

it('an explicit dtype that is not there lists what is', async () => {
  expectOneSentence(
    await startWith({ source: TALES.source, dtype: 'fp16' }),
    "no weights of dtype 'fp16'",
    'Available: q8',
  );
});

it('an explicit device that does not exist here lists what does', async () => {
  const device = process.platform === 'win32' ? 'coreml' : 'dml';
  expectOneSentence(
    await startWith({ source: TALES.source, device }),
    `Device '${device}' is not available here`,
    'cpu',
  );
});

it('a configuration that is wrong names every offending key', async () => {
  const server = await ServerProcess.start({
    config: 'server: {prot: 1}\nmodels: [{name: a, source: b, dtype: fp8}]\n',
    env: { LOG_LEVEL: 'loud' },
  });
  try {
    expectOneSentence(
      await server.exited,
      'server.prot',
      'models[0].dtype',
      'log.level (from LOG_LEVEL=loud)',
    );
  } finally {
    await server.dispose();
  }
});

it('a port in use is named, and the loaded engine does not stay', async () => {
  const blocker = createServer().listen(0, '127.0.0.1');
  await once(blocker, 'listening');
  const { port } = blocker.address() as AddressInfo;
  try {
    expectOneSentence(
      await startWith({ source: TALES.source }, { PORT: String(port) }),
      `Port ${port}`,
      'set PORT',
    );
  } finally {
    blocker.close();
  }
});

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { packageLambda } from '../../scripts/lambda/package.js';
import { eventV2 } from '../support/lambda-events.js';
import { TALES } from '../support/models.js';

const folder = mkdtempSync(join(tmpdir(), 'resident-package-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const EVENT = eventV2({
  path: '/v1/completions',
  body: { model: 'tales', prompt: `${'Once upon a time. '.repeat(40)}One day`, max_tokens: 1 },
});

it('answers from its own folder, with nothing else there, and ends when it has', async () => {
  const config = join(folder, 'my.yaml');
  writeFileSync(config, JSON.stringify({ models: [TALES], log: { level: 'error' } }));
  const out = join(folder, 'function');
  const { bytes } = await packageLambda({ out, architecture: hostArchitecture(), streaming: false, config });
  expect(bytes).toBeLessThan(250 * 2 ** 20);

  const program = [
    `const { handler } = await import(${JSON.stringify(pathToFileURL(join(out, 'handler.mjs')).href)});`,
    `const { statusCode, body } = await handler(${JSON.stringify(EVENT)});`,
    'process.stdout.write(`${statusCode} ${JSON.parse(body).usage?.completion_tokens}`);',
  ].join('\n');
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: out,
    env: { PATH: process.env['PATH'] },
    encoding: 'utf8',
    timeout: 40_000,
  });
  expect({ stdout, stderr, status }).toEqual({ stdout: '200 1', stderr: '', status: 0 });
});

function hostArchitecture(): 'x64' | 'arm64' {
  return process.arch === 'arm64' ? 'arm64' : 'x64';
}

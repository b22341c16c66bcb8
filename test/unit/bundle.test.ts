import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundle } from '../../scripts/bundle.mjs';

const root = mkdtempSync(join(tmpdir(), 'resident-bundle-'));
const folder = join(root, 'dist/server');
beforeAll(() => {
  mkdirSync(join(root, 'dist'));
  const files = {
    'shared.js': [
      "import 'reflect-metadata';",
      '// a comment that is not carried along',
      'export class Shared {',
      '  fail() {',
      "    throw new Error(typeof Reflect.metadata === 'function' ? new.target?.name ?? this.constructor.name : 'too early');",
      '  }',
      '}',
    ],
    'one.js': ["import { Shared } from './shared.js';", 'new Shared().fail();'],
    'two.js': ["const { Shared } = await import('./shared.js');", 'new Shared().fail();'],
  };
  for (const [name, lines] of Object.entries(files))
    writeFileSync(join(root, 'dist', name), lines.join('\n'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const entries = ['one.js', 'two.js'].map((name) => join(root, 'dist', name));
const run = (name: string): string =>
  spawnSync(process.execPath, ['--enable-source-maps', join(folder, name)], { encoding: 'utf8' }).stderr;

describe('a bundle', () => {
  it.each(['one.js', 'two.js'])('of %s runs by itself, and its errors lead to the source', async (name) => {
    writeFileSync(join(root, 'package.json'), '{ "type": "module" }');
    await bundle(entries, folder, { sourceMaps: true });
    expect(run(name)).toMatch(/Error: Shared\n.*shared\.js:5:/);
  });

  it('leaves what was there: a program that runs may still import it', async () => {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'chunk-before.js'), '');
    const files = await bundle(entries, folder);
    expect(existsSync(join(folder, 'chunk-before.js'))).toBe(true);
    expect(files).not.toContain('chunk-before.js');
    for (const name of files) expect(readdirSync(folder)).toContain(name);
    // nothing half written
    expect(readdirSync(folder).filter((name) => name.endsWith(`.${process.pid}`))).toEqual([]);
  });
});

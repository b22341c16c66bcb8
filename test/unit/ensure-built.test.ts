import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockHash } from '../../scripts/lock-hash.mjs';

/** A repository whose compiler and bundler only say that they ran, and leave what tells that they did. */
let root: string;
const file = (name: string): string => join(root, name);

/** @param age seconds since it was written */
function write(name: string, age: number, text = ''): void {
  mkdirSync(dirname(file(name)), { recursive: true });
  writeFileSync(file(name), text);
  const time = Date.now() / 1000 - age;
  utimesSync(file(name), time, time);
}

function tool(stamp: string, says: string): string {
  return `require('node:fs').appendFileSync('log', '${says} '); require('node:fs').writeFileSync('${stamp}', JSON.stringify({ lock: '${lockHash(root)}' }));`;
}

const SCRIPTS = fileURLToPath(new URL('../../scripts', import.meta.url));

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'resident-built-'));
  mkdirSync(file('scripts'));
  for (const name of ['ensure-built.mjs', 'lock-hash.mjs'])
    cpSync(join(SCRIPTS, name), join(root, 'scripts', name));
  for (const name of ['package.json', 'package-lock.json', 'tsconfig.json', 'src/main.ts'])
    write(name, 100, '{}');
  write('node_modules/@nestjs/cli/bin/nest.js', 100, tool('dist/.tsbuildinfo', 'compiled'));
  const require =
    "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";
  write('scripts/bundle-dist.mjs', 100, `${require} ${tool('dist/.bundled', 'bundled')}`);
  write('dist/.tsbuildinfo', 50);
  write('dist/.bundled', 40, JSON.stringify({ lock: lockHash(root) }));
  writeFileSync(file('log'), '');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** What ran before the program, and how that ended. */
function run(): { ran: string; status: number | null; stderr: string } {
  const { status, stderr } = spawnSync(process.execPath, [file('scripts/ensure-built.mjs')], {
    encoding: 'utf8',
  });
  return { ran: readFileSync(file('log'), 'utf8').trim(), status, stderr };
}

describe('what is built', () => {
  it('is taken as it is while nothing has changed', () => {
    expect(run()).toEqual({ ran: '', status: 0, stderr: '' });
  });

  it.each(['src/main.ts', 'src/new/file.ts', 'package.json', 'tsconfig.json'])(
    'is compiled and bundled if %s has changed',
    (name) => {
      write(name, 10, '{}');
      expect(run()).toMatchObject({ ran: 'compiled bundled', status: 0 });
      expect(run().ran).toBe('compiled bundled'); // once
    },
  );

  it.each(['dist/.tsbuildinfo', 'scripts/bundle-dist.mjs'])(
    'is bundled if %s is newer: a compiler that was run by itself leaves no bundle in use',
    (name) => {
      write(name, 10, readFileSync(file(name), 'utf8'));
      expect(run()).toMatchObject({ ran: 'bundled', status: 0 });
    },
  );

  it('is bundled if the packages are others, not if their list was only written again', () => {
    write('package-lock.json', 10, '{}');
    expect(run().ran).toBe('');
    write('package-lock.json', 10, '{"packages": {}}');
    expect(run().ran).toBe('bundled');
  });

  it('is made if it is not there', () => {
    rmSync(file('dist'), { recursive: true });
    mkdirSync(file('dist'));
    expect(run()).toMatchObject({ ran: 'compiled bundled', status: 0 });
  });

  it('is what there is where there are no sources', () => {
    rmSync(file('src'), { recursive: true });
    write('package-lock.json', 10);
    expect(run()).toMatchObject({ ran: '', status: 0 });
  });

  it('can not be made without the compiler, and says so', () => {
    rmSync(file('node_modules'), { recursive: true });
    write('src/main.ts', 10);
    const { status, stderr } = run();
    expect(status).toBe(1);
    expect(stderr.split('\n')).toEqual([
      'compiling ...',
      "resident: dist/ must be built, and @nestjs/cli/bin/nest.js isn't there: run npm ci first.",
      '',
    ]);
  });
});

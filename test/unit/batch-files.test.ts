import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  choosePaths,
  commitBatch,
  fileVersion,
  inboxFiles,
  makeBatchFolders,
  recoverOutbox,
} from '../../src/batch/batch-files.js';
import type { BatchModuleOptions } from '../../src/batch/batch-options.interface.js';
import { temporaryFolder, writeFiles } from './helpers/temporary-folder.js';

async function batchFolders(): Promise<BatchModuleOptions> {
  const root = temporaryFolder();
  const options = {
    cron: null,
    inbox: join(root, 'in', 'box'),
    outbox: join(root, 'out'),
    done: join(root, 'done'),
  };
  await makeBatchFolders(options);
  return options;
}

/** Puts files into the inbox, last written to this long ago. */
function drop({ inbox }: BatchModuleOptions, age: number, ...names: readonly string[]): string[] {
  return names.map((name) => {
    const path = join(inbox, name);
    writeFileSync(path, `input ${name}`);
    const seconds = Date.now() / 1000 - age;
    utimesSync(path, seconds, seconds);
    return path;
  });
}

const HOUR = 3600;

/** Runs a file as the batch does, with this text for its results. */
async function run(input: string, options: BatchModuleOptions, results: string): Promise<string> {
  const paths = choosePaths(input, options);
  writeFileSync(paths.temporary, results);
  await commitBatch(input, paths);
  return basename(paths.results);
}

/** A process that has ended. */
function deadPid(): number {
  return spawnSync(process.execPath, ['--version']).pid;
}

describe('the folders of a batch', () => {
  it('are made, with the folders above them, and may be there already', async () => {
    const options = await batchFolders();
    await makeBatchFolders(options);
    for (const folder of [options.inbox, options.outbox, options.done])
      expect(readdirSync(folder)).toEqual([]);
  });
});

describe('the files of the inbox', () => {
  it('are those that end in .jsonl, by name', async () => {
    const options = await batchFolders();
    drop(options, HOUR, 'b.jsonl', 'a.jsonl', 'c.json', 'd.jsonl.part', '.e.jsonl', 'jsonl');
    mkdirSync(join(options.inbox, 'folder.jsonl'));
    symlinkSync(join(options.inbox, 'nowhere'), join(options.inbox, 'link.jsonl'));
    expect(await inboxFiles(options)).toEqual([
      join(options.inbox, 'a.jsonl'),
      join(options.inbox, 'b.jsonl'),
    ]);
  });

  it('are left alone while they may still be written to', async () => {
    const options = await batchFolders();
    drop(options, HOUR, 'old.jsonl');
    drop(options, -HOUR, 'new.jsonl');
    expect((await inboxFiles(options)).map((path) => basename(path))).toEqual(['old.jsonl']);
  });
});

describe('the names of results', () => {
  it('are those of the input, which moves to done', async () => {
    const options = await batchFolders();
    const [input] = drop(options, HOUR, 'job.jsonl') as [string];
    expect(await run(input, options, 'results')).toBe('job.results.jsonl');
    expect(readFileSync(join(options.outbox, 'job.results.jsonl'), 'utf8')).toBe('results');
    expect(readFileSync(join(options.done, 'job.jsonl'), 'utf8')).toBe('input job.jsonl');
    expect(readdirSync(options.inbox)).toEqual([]);
    expect(readdirSync(options.outbox)).toEqual(['job.results.jsonl']);
  });

  it('never overwrite: every run of whatever name leaves its input and its results', async () => {
    const names = fc.array(fc.constantFrom('a', 'a-2', 'a-2-2', 'b'), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(names, async (stems) => {
        const options = await batchFolders();
        for (const [i, stem] of stems.entries()) {
          const [input] = drop(options, HOUR, `${stem}.jsonl`) as [string];
          await run(input, options, `results ${i}`);
        }
        const kept = readdirSync(options.outbox).map((name) =>
          readFileSync(join(options.outbox, name), 'utf8'),
        );
        expect(kept.toSorted()).toEqual(stems.map((_, i) => `results ${i}`).toSorted());
        expect(readdirSync(options.done)).toHaveLength(stems.length);
      }),
      { numRuns: 25 },
    );
  });

  it('of a file from elsewhere never overwrite, and the file stays where it is', async () => {
    const options = await batchFolders();
    const input = join(temporaryFolder({ 'job.jsonl': 'input' }), 'job.jsonl');
    expect(await run(input, options, 'first')).toBe('job.results.jsonl');
    expect(await run(input, options, 'second')).toBe('job-2.results.jsonl');
    expect(readFileSync(join(options.outbox, 'job.results.jsonl'), 'utf8')).toBe('first');
    expect(readFileSync(input, 'utf8')).toBe('input');
    expect(readdirSync(options.done)).toEqual([]);
  });

  it('of a file from elsewhere keep clear of those of the inbox', async () => {
    const options = await batchFolders();
    const [inside] = drop(options, HOUR, 'job.jsonl') as [string];
    await run(inside, options, 'inside');
    const outside = join(temporaryFolder({ 'job.jsonl': '' }), 'job.jsonl');
    expect(await run(outside, options, 'outside')).toBe('job-2.results.jsonl');
  });

  it('of a file from the inbox keep clear of those of a file from elsewhere', async () => {
    const options = await batchFolders();
    const outside = join(temporaryFolder({ 'job.jsonl': '' }), 'job.jsonl');
    await run(outside, options, 'outside');
    const [inside] = drop(options, HOUR, 'job.jsonl') as [string];
    await run(inside, options, 'inside');
    expect(readFileSync(join(options.outbox, 'job.results.jsonl'), 'utf8')).toBe('outside');
  });

  it('are hidden and carry the process while they are written', async () => {
    const options = await batchFolders();
    const { temporary, results } = choosePaths(join(options.inbox, 'job.jsonl'), options);
    expect(basename(temporary)).toBe(`.job.results.jsonl.${process.pid}.tmp`);
    expect(basename(results)).toBe('job.results.jsonl');
  });
});

describe('a run that was interrupted', () => {
  it('before its input was moved is run again, and nothing of it is left', async () => {
    const options = await batchFolders();
    const [input] = drop(options, HOUR, 'job.jsonl') as [string];
    writeFiles(options.outbox, { '.job.results.jsonl.complete': 'of the interrupted run' });
    await recoverOutbox(options);
    expect(await inboxFiles(options)).toEqual([input]);
    expect(readdirSync(options.outbox)).toEqual([]);
    expect(await run(input, options, 'complete')).toBe('job.results.jsonl');
    expect(readFileSync(join(options.outbox, 'job.results.jsonl'), 'utf8')).toBe('complete');
  });

  it('after its input was moved gets its results', async () => {
    const options = await batchFolders();
    writeFiles(options.done, { 'job.jsonl': 'input' });
    writeFiles(options.outbox, { '.job.results.jsonl.complete': 'all of them' });
    await recoverOutbox(options);
    expect(readdirSync(options.outbox)).toEqual(['job.results.jsonl']);
    expect(readFileSync(join(options.outbox, 'job.results.jsonl'), 'utf8')).toBe('all of them');
  });

  it('leaves temporary results that are removed, those of processes that live are not', async () => {
    const options = await batchFolders();
    const living = `.a.results.jsonl.${process.pid}.tmp`;
    writeFiles(options.outbox, {
      [living]: '',
      [`.a.results.jsonl.${deadPid()}.tmp`]: '',
      'a.results.jsonl': '',
      '.notes.tmp': '',
    });
    await recoverOutbox(options);
    expect(readdirSync(options.outbox).toSorted()).toEqual(
      ['.notes.tmp', living, 'a.results.jsonl'].toSorted(),
    );
  });
});

describe('fileVersion', () => {
  it('changes when the file is written to, and only then', async () => {
    const options = await batchFolders();
    const [path] = drop(options, HOUR, 'job.jsonl') as [string];
    const before = await fileVersion(path);
    expect(await fileVersion(path)).toBe(before);
    writeFileSync(path, 'input job.jsonl, and more');
    expect(await fileVersion(path)).not.toBe(before);
    drop(options, 2 * HOUR, 'job.jsonl');
    expect(await fileVersion(path)).not.toBe(before);
  });
});

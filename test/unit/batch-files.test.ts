import {
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  choosePaths,
  cleanOutbox,
  commitBatch,
  fileVersion,
  finishCommit,
  inboxFiles,
  makeBatchFolders,
  type BatchFolders,
} from '../../src/batch/batch-files.js';
import { temporaryFolder, writeFiles } from './helpers/temporary-folder.js';

async function batchFolders(): Promise<BatchFolders> {
  const root = temporaryFolder();
  const folders = { inbox: join(root, 'in', 'box'), outbox: join(root, 'out'), done: join(root, 'done') };
  await makeBatchFolders(folders);
  return folders;
}

/** Puts files into the inbox, last written to this long ago. */
function drop({ inbox }: BatchFolders, age: number, ...names: readonly string[]): string[] {
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
async function run(input: string, folders: BatchFolders, results: string): Promise<string> {
  const delivery = choosePaths(input, folders);
  writeFileSync(delivery.temporary, results);
  expect(await commitBatch(input, await fileVersion(input), delivery.temporary, delivery)).toBe('committed');
  return basename(delivery.results);
}

describe('the folders of a batch', () => {
  it('are made, with the folders above them, and may be there already', async () => {
    const folders = await batchFolders();
    await makeBatchFolders(folders);
    for (const folder of [folders.inbox, folders.outbox, folders.done])
      expect(readdirSync(folder)).toEqual([]);
  });
});

describe('the files of the inbox', () => {
  it('are those that end in .jsonl or .jsonl.gz, by name', async () => {
    const folders = await batchFolders();
    drop(
      folders,
      HOUR,
      'b.jsonl',
      'a.jsonl',
      'c.json',
      'd.jsonl.part',
      '.e.jsonl',
      'jsonl',
      'f.jsonl.gz',
      'g.gz',
    );
    mkdirSync(join(folders.inbox, 'folder.jsonl'));
    symlinkSync(join(folders.inbox, 'nowhere'), join(folders.inbox, 'link.jsonl'));
    expect((await inboxFiles(folders)).map((path) => basename(path))).toEqual([
      'a.jsonl',
      'b.jsonl',
      'f.jsonl.gz',
    ]);
  });

  it('are those whose whole name fits a pattern', async () => {
    const folders = await batchFolders();
    drop(folders, HOUR, 'crm-1.jsonl', 'crm-12.jsonl', 'a+b.txt', 'aab.txt', 'my-crm-1.jsonl');
    const found = async (pattern: string) =>
      (await inboxFiles(folders, pattern)).map((path) => basename(path));
    expect(await found('crm-?.jsonl')).toEqual(['crm-1.jsonl']);
    expect(await found('crm-*')).toEqual(['crm-1.jsonl', 'crm-12.jsonl']);
    expect(await found('a+b.txt, crm-?.jsonl')).toEqual(['a+b.txt', 'crm-1.jsonl']);
  });

  it('are left alone while they may still be written to', async () => {
    const folders = await batchFolders();
    drop(folders, HOUR, 'old.jsonl');
    drop(folders, -HOUR, 'new.jsonl');
    expect((await inboxFiles(folders)).map((path) => basename(path))).toEqual(['old.jsonl']);
  });
});

describe('the names of results', () => {
  it('are those of the input, which moves to done', async () => {
    const folders = await batchFolders();
    const [input] = drop(folders, HOUR, 'job.jsonl') as [string];
    expect(await run(input, folders, 'results')).toBe('job.results.jsonl');
    expect(readFileSync(join(folders.outbox, 'job.results.jsonl'), 'utf8')).toBe('results');
    expect(readFileSync(join(folders.done, 'job.jsonl'), 'utf8')).toBe('input job.jsonl');
    expect(readdirSync(folders.inbox)).toEqual([]);
    expect(readdirSync(folders.outbox)).toEqual(['job.results.jsonl']);
  });

  it('of a compressed input are not compressed', async () => {
    const folders = await batchFolders();
    const [input] = drop(folders, HOUR, 'job.jsonl.gz') as [string];
    expect(await run(input, folders, 'results')).toBe('job.results.jsonl');
    expect(readdirSync(folders.done)).toEqual(['job.jsonl.gz']);
  });

  it('never overwrite: every run of whatever name leaves its input and its results', async () => {
    const names = fc.array(fc.constantFrom('a.jsonl', 'a-2.jsonl', 'a-2-2.jsonl', 'a.jsonl.gz', 'b.jsonl'), {
      minLength: 1,
      maxLength: 8,
    });
    await fc.assert(
      fc.asyncProperty(names, async (inputs) => {
        const folders = await batchFolders();
        for (const [i, name] of inputs.entries()) {
          const [input] = drop(folders, HOUR, name) as [string];
          await run(input, folders, `results ${i}`);
        }
        const kept = readdirSync(folders.outbox).map((name) =>
          readFileSync(join(folders.outbox, name), 'utf8'),
        );
        expect(kept.toSorted()).toEqual(inputs.map((_, i) => `results ${i}`).toSorted());
        expect(readdirSync(folders.done)).toHaveLength(inputs.length);
      }),
      { numRuns: 25 },
    );
  });

  it('of a file from elsewhere never overwrite, and the file stays where it is', async () => {
    const folders = await batchFolders();
    const input = join(temporaryFolder({ 'job.jsonl': 'input' }), 'job.jsonl');
    expect(await run(input, folders, 'first')).toBe('job.results.jsonl');
    expect(await run(input, folders, 'second')).toBe('job-2.results.jsonl');
    expect(readFileSync(join(folders.outbox, 'job.results.jsonl'), 'utf8')).toBe('first');
    expect(readFileSync(input, 'utf8')).toBe('input');
    expect(readdirSync(folders.done)).toEqual([]);
  });

  it('keep clear of those of other files, and of those that are still to come', async () => {
    const folders = await batchFolders();
    const [inside] = drop(folders, HOUR, 'job.jsonl') as [string];
    await run(inside, folders, 'inside');
    const outside = join(temporaryFolder({ 'job.jsonl': '' }), 'job.jsonl');
    expect(await run(outside, folders, 'outside')).toBe('job-2.results.jsonl');
    const taken = new Set([join(folders.outbox, 'job-3.results.jsonl')]);
    expect(basename(choosePaths(outside, folders, taken).results)).toBe('job-4.results.jsonl');
  });

  it('are hidden while they are written', async () => {
    const folders = await batchFolders();
    const { temporary, complete } = choosePaths(join(folders.inbox, 'job.jsonl'), folders);
    expect(basename(temporary)).toBe('.job.results.jsonl.tmp');
    expect(basename(complete)).toBe('.job.results.jsonl.complete');
  });
});

describe('an input that was written to meanwhile', () => {
  it('keeps its place, and its results are dropped', async () => {
    const folders = await batchFolders();
    const [input] = drop(folders, HOUR, 'job.jsonl') as [string];
    const delivery = choosePaths(input, folders);
    writeFileSync(delivery.temporary, 'of what it was');
    const version = await fileVersion(input);
    writeFileSync(input, 'another input, and longer');
    expect(await commitBatch(input, version, delivery.temporary, delivery)).toBe('changed');
    expect(readFileSync(input, 'utf8')).toBe('another input, and longer');
    expect(readdirSync(folders.outbox)).toEqual([]);
  });

  it('is not the same as one that somebody removed: its results are delivered', async () => {
    const folders = await batchFolders();
    const [input] = drop(folders, HOUR, 'job.jsonl') as [string];
    const delivery = choosePaths(input, folders);
    writeFileSync(delivery.temporary, 'results');
    const version = await fileVersion(input);
    rmSync(input);
    expect(await commitBatch(input, version, delivery.temporary, delivery)).toBe('committed');
    expect(readdirSync(folders.outbox)).toEqual(['job.results.jsonl']);
  });
});

describe('a commit that was killed', () => {
  /** What the folders look like after so many of its steps; then somebody goes on. */
  async function killedAfter(steps: number) {
    const folders = await batchFolders();
    const [input] = drop(folders, HOUR, 'job.jsonl') as [string];
    const delivery = choosePaths(input, folders);
    const { temporary, complete, results, done } = delivery;
    const version = await fileVersion(input);
    writeFileSync(temporary, 'results');
    const renames = [
      [temporary, complete],
      [input, done as string],
      [complete, results],
    ] as const;
    for (const [from, to] of renames.slice(0, steps)) renameSync(from, to);
    const finished = await finishCommit(input, version, delivery);
    if (!finished) {
      writeFileSync(temporary, 'results');
      await commitBatch(input, version, temporary, delivery);
    }
    return { folders, finished, input };
  }

  it.each([0, 1, 2, 3])('after %i steps comes to the same', async (steps) => {
    const { folders, finished, input } = await killedAfter(steps);
    expect(finished).toBe(steps >= 2);
    expect(existsSync(input)).toBe(false);
    expect(readdirSync(folders.done)).toEqual(['job.jsonl']);
    expect(readdirSync(folders.outbox)).toEqual(['job.results.jsonl']);
    expect(readFileSync(join(folders.outbox, 'job.results.jsonl'), 'utf8')).toBe('results');
  });

  it('leaves a new file of the same name alone', async () => {
    const folders = await batchFolders();
    const [input] = drop(folders, HOUR, 'job.jsonl') as [string];
    const delivery = choosePaths(input, folders);
    const version = await fileVersion(input);
    writeFileSync(delivery.complete, 'results');
    renameSync(input, delivery.done as string);
    writeFileSync(input, 'the next one');
    expect(await finishCommit(input, version, delivery)).toBe(true);
    expect(readFileSync(input, 'utf8')).toBe('the next one');
    expect(readdirSync(folders.outbox)).toEqual(['job.results.jsonl']);
  });
});

it('what killed processes left in the outbox is removed, unless a batch is going to write it', async () => {
  const folders = await batchFolders();
  writeFiles(folders.outbox, {
    '.a.results.jsonl.tmp': '',
    '.a.results.jsonl.tmp-1': '',
    '.b.results.jsonl.complete': '',
    '.c.results.jsonl.complete': '',
    'a.results.jsonl': '',
    '.notes.tmp': '',
  });
  await cleanOutbox(folders, async () => new Set([join(folders.outbox, 'c.results.jsonl')]));
  expect(readdirSync(folders.outbox).toSorted()).toEqual(
    ['.c.results.jsonl.complete', '.notes.tmp', 'a.results.jsonl'].toSorted(),
  );
});

describe('fileVersion', () => {
  it('changes when the file is written to, and only then', async () => {
    const folders = await batchFolders();
    const [path] = drop(folders, HOUR, 'job.jsonl') as [string];
    const before = await fileVersion(path);
    expect(await fileVersion(path)).toBe(before);
    writeFileSync(path, 'input job.jsonl, and more');
    expect(await fileVersion(path)).not.toBe(before);
    drop(folders, 2 * HOUR, 'job.jsonl');
    expect(await fileVersion(path)).not.toBe(before);
  });
});

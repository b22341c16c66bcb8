import { describe, expect, it } from 'vitest';
import { parseCommand, USAGE } from '../../../src/cli/models/arguments.js';
import { findSubject, hubOf } from '../../../src/cli/models/subject.js';
import { listTable } from '../../../src/cli/models/texts.js';
import { UsageError } from '../../../src/cli/usage-error.js';
import { testConfig } from '../../support/app.js';
import { TALES } from '../../support/models.js';

const parse = (line: string) => parseCommand(line.split(' ').filter((word) => word !== ''));

describe('parseCommand', () => {
  it.each([
    ['', { kind: 'help' }],
    ['list --help', { kind: 'help' }],
    ['list', { kind: 'list' }],
    ['pull owner/name', { kind: 'pull', what: 'owner/name', dtype: undefined }],
    ['pull owner/name --dtype q8', { kind: 'pull', what: 'owner/name', dtype: 'q8' }],
    ['check tales --task reranking', { kind: 'check', what: 'tales', task: 'reranking' }],
    ['rm tales', { kind: 'rm', what: 'tales', force: false }],
    ['rm tales --force', { kind: 'rm', what: 'tales', force: true }],
  ])('understands %j', (line, command) => {
    expect(parse(line)).toEqual(command);
  });

  it.each([
    ['load tales', "There is no command 'load'."],
    ['--dtype q8', 'There is no command. npm run models -- --help'],
    ['toString', "There is no command 'toString'."],
    ['pull', "'pull' needs the name of a configured model or a Hugging Face id."],
    ['pull a b', "'b' is one word too many."],
    ['list a', "'a' is one word too many."],
    ['list --dtype q8', "'list' has no option --dtype."],
    ['pull a --dtype q9', '--dtype must be one of auto, fp32, fp16, q8'],
    ['check a --task poetry', '--task must be one of text-generation'],
    ['pull a --bogus', "Unknown option '--bogus'"],
  ])('says what is wrong with %j', (line, message) => {
    expect(() => parse(line)).toThrow(UsageError);
    expect(() => parse(line)).toThrow(message);
  });

  it('names every command in its help', () => {
    for (const name of ['list', 'pull', 'check', 'rm']) expect(USAGE).toContain(`\n  ${name}`);
  });
});

describe('findSubject', () => {
  const config = testConfig([TALES, { name: 'smol', aliases: ['default'], source: 'owner/smol@v1' }]);
  const SMOL = { id: 'owner/smol', revision: 'v1' };

  it.each(['smol', 'default', 'owner/smol@v1'])('finds a configured model by %s', (what) => {
    const subject = findSubject(what, config);
    expect(subject.model?.name).toBe('smol');
    expect(hubOf(what, subject)).toMatchObject(SMOL);
  });

  it('takes any id', () => {
    expect(findSubject('owner/other', config)).toMatchObject({
      model: undefined,
      hub: { id: 'owner/other', revision: 'main' },
      source: 'owner/other',
    });
  });

  it('takes a folder before an id of the same name, as the configuration does', () => {
    const subject = findSubject('models/encoder', config);
    expect(subject).toEqual({ model: undefined, hub: undefined, source: 'models/encoder' });
    expect(() => hubOf('models/encoder', subject)).toThrow(/is a folder of yours \(\/.*models\/encoder\)/);
  });

  it('says what is none, and what is not in the cache', () => {
    expect(() => findSubject('other', config)).toThrow(
      "'other' is neither a configured model (tales, smol) nor a folder, nor a Hugging Face id",
    );
    expect(() => hubOf('tales', findSubject('tales', config))).toThrow(/'tales' is a folder of yours/);
  });
});

it('the list has a line for each model', () => {
  const model = {
    source: { id: 'owner/smol', revision: 'v1' },
    folder: '/cache/owner/smol@v1',
    bytes: 3 * 2 ** 20,
    dtypes: ['q8', 'fp32'],
    commit: '0123456789abcdef',
    lastUsed: new Date(0),
  } as const;
  const left = {
    ...model,
    source: { id: 'a/b', revision: 'main' },
    dtypes: [],
    commit: undefined,
    lastUsed: undefined,
  };
  expect(listTable([model, left], new Map([['owner/smol@v1', ['smol', 'other']]]), '/cache')).toBe(
    [
      'model          size  dtypes      commit        last used          configured as',
      'owner/smol@v1  3 MB  q8, fp32    0123456789ab  1970-01-01 00:00Z  smol, other',
      'a/b            3 MB  incomplete  ?             never',
      '6 MB in /cache',
      '',
    ].join('\n'),
  );
});

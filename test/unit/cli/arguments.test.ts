import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseCommand } from '../../../src/cli/batch/arguments.js';
import { UsageError } from '../../../src/cli/usage-error.js';

const run = (what: string, more: object = {}) => ({
  kind: 'run',
  what,
  endpoint: undefined,
  output: undefined,
  ...more,
});

describe('parseCommand', () => {
  it.each([
    ['', { kind: 'help' }],
    ['--help', { kind: 'help' }],
    ['-h', { kind: 'help' }],
    ['list --help', { kind: 'help' }],
    ['list', { kind: 'list', limit: 20 }],
    ['list --limit 5', { kind: 'list', limit: 5 }],
    ['show batch_1', { kind: 'show', id: 'batch_1' }],
    ['cancel batch_1', { kind: 'cancel', id: 'batch_1' }],
    ['night.jsonl', run('night.jsonl')],
    ['run night.jsonl', run('night.jsonl')],
    ['run list', run('list')],
    ['run a --endpoint /v1/embeddings --output=b', run('a', { endpoint: '/v1/embeddings', output: 'b' })],
    ['--output b a', run('a', { output: 'b' })],
  ])('%s', (line, command) => {
    expect(parseCommand(line.split(' ').filter(Boolean))).toEqual(command);
  });

  it.each([
    ['show', "'show' needs the id of a batch"],
    ['cancel', "'cancel' needs the id of a batch"],
    ['run', "'run' needs a file"],
    ['--output a', "'run' needs a file"],
    ['list batch_1', "Did you mean 'show batch_1'?"],
    ['my file.jsonl', "There is 'file.jsonl' too much"],
    ['show a b', "There is 'b' too much"],
    ['list --limit 0', '--limit must be a number from 1 to 1000'],
    ['list --limit x', '--limit must be a number from 1 to 1000'],
    ['list --output a', "'list' has no option --output"],
    ['run a --limit 3', "'run' has no option --limit"],
    ['a --colour', "Unknown option '--colour'"],
    ['a --output', '--output'],
  ])('%s is explained', (line, message) => {
    expect(() => parseCommand(line.split(' '))).toThrow(UsageError);
    expect(() => parseCommand(line.split(' '))).toThrow(message);
  });

  it('understands or explains whatever is typed', () =>
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.string(),
            fc.constantFrom('list', 'show', 'run', '--limit', '--output', '--', '-', '__proto__'),
          ),
        ),
        (args) => {
          expect(outcomeOf(args)).toMatch(/^(help|list|show|cancel|run)$|^explained: .*[.?]$/);
        },
      ),
    ));
});

function outcomeOf(args: readonly string[]): string {
  try {
    return parseCommand(args).kind;
  } catch (error) {
    if (error instanceof UsageError) return `explained: ${error.message}`;
    throw error;
  }
}

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { configureTransformers, loadTokenizer } from '../../src/engine/loading/transformers-files.js';
import { templateOf } from '../../src/engine/tokenization/chat-template.js';
import { definitionOf } from '../../src/engine/tokenization/tokenizer-definition.js';
import { TALES } from '../support/models.js';
import { temporaryFolder } from './helpers/temporary-folder.js';

const TOKENIZER = readFileSync(join(TALES.source, 'tokenizer.json'), 'utf8');

async function templateIn(files: Readonly<Record<string, string>>): Promise<string | undefined> {
  configureTransformers();
  const folder = temporaryFolder({ 'tokenizer.json': TOKENIZER, 'tokenizer_config.json': '{}', ...files });
  return templateOf(definitionOf(await loadTokenizer(folder, { ...TALES })), false);
}

describe('the chat template', () => {
  it('is in a file of its own, where newer exports have it', async () => {
    expect(await templateIn({ 'chat_template.jinja': 'own file' })).toBe('own file');
  });

  it('is the one of the tokenizer, where that has one', async () => {
    const files = {
      'tokenizer_config.json': '{"chat_template": "in the tokenizer"}',
      'chat_template.jinja': 'own',
    };
    expect(await templateIn(files)).toBe('in the tokenizer');
  });

  it('is none where there is none', async () => {
    expect(await templateIn({})).toBeFalsy();
  });
});

it('a tokenizer that cannot be read says so', async () => {
  configureTransformers();
  const folder = temporaryFolder({ 'tokenizer.json': '{}', 'tokenizer_config.json': '{}' });
  await expect(loadTokenizer(folder, { ...TALES, source: 'owner/name' })).rejects.toMatchObject({
    code: 'tokenizer_not_found',
    message: expect.stringMatching(/^The tokenizer of 'owner\/name' can't be loaded: .+\.$/) as string,
  });
});

/** Loads a tokenizer in a thread, and prints the shared objects that are in the process then. Its argument is a model folder. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EncoderThread } from '../../../../src/engine/tokenization/encoder-thread.js';
import { shareDefinition } from '../../../../src/engine/tokenization/tokenizer-definition.js';

const folder = process.argv[2] ?? '';

function json(file: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, file), 'utf8')) as Record<string, unknown>;
}

const definition = {
  tokenizer: json('tokenizer.json'),
  config: json('tokenizer_config.json'),
  chatTemplate: null,
};
// the thread doesn't keep the process alive: while it is waited for, this does
const waiting = setInterval(() => undefined, 1000);
const thread = new EncoderThread({ definition: shareDefinition(definition) });
await thread.ready;
const { sharedObjects } = process.report.getReport() as unknown as { sharedObjects: string[] };
process.stdout.write(sharedObjects.join('\n'));
await thread.stop();
clearInterval(waiting);

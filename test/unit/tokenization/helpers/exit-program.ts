/** Run by process-exit.test.ts: `<folder of the tokenizer> <moment>`. Ends at that moment, with code 7 where it is told to. */
import { AutoTokenizer, env } from '@huggingface/transformers';
import { PromptEncoder } from '../../../../src/engine/tokenization/prompt-encoder.js';

const [folder = '', moment] = process.argv.slice(2);
env.allowRemoteModels = false;
env.useFSCache = false;
const encoder = new PromptEncoder(await AutoTokenizer.from_pretrained(folder));

// the threads don't keep the process alive: while it waits for them, this does
const waiting = setInterval(() => undefined, 1000);
const encoding = Promise.all(
  [1000, 1_000_000].map((length) => encoder.encode({ kind: 'text', text: 'word '.repeat(length / 5) })),
);
encoding.catch(() => undefined);
if (moment === 'at start') process.exit(7);
await encoder.warmUp();
if (moment === 'at work') process.exit(7);
await encoding;
if (moment === 'at rest') process.exit(7);
void encoder.encode({ kind: 'text', text: 'word '.repeat(1000) });
clearInterval(waiting);

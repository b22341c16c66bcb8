/**
 * What Resident is compared with: a Transformers.js pipeline, loaded once, in the process that also answers HTTP.
 * Answers `GET /health/live` and, greedily, `POST /v1/completions` with `{"prompt": ..., "max_tokens": ...}`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { json } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { env, pipeline } from '@huggingface/transformers';

interface CompletionBody {
  readonly prompt: string;
  readonly max_tokens: number;
}

env.allowRemoteModels = false;
env.localModelPath = fileURLToPath(new URL('../models', import.meta.url));

const generate = await pipeline('text-generation', 'tales', { dtype: 'q8' });

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  switch (`${request.method} ${request.url}`) {
    case 'GET /health/live':
      return send(response, 200, { status: 'ok' });
    case 'POST /v1/completions':
      return send(response, 200, await complete((await json(request)) as CompletionBody));
    default:
      return send(response, 404, { error: { message: 'Not found.' } });
  }
}

async function complete({ prompt, max_tokens }: CompletionBody): Promise<object> {
  const [output] = await generate(prompt, {
    max_new_tokens: max_tokens,
    do_sample: false,
    return_full_text: false,
  });
  const text = (output as { generated_text: string }).generated_text;
  const completion_tokens = generate.tokenizer.encode(text, { add_special_tokens: false }).length;
  return { choices: [{ index: 0, text }], usage: { completion_tokens } };
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

createServer((request, response) => {
  answer(request, response).catch((error: unknown) => {
    send(response, 500, { error: { message: String(error) } });
  });
}).listen(Number(process.env['PORT'] ?? 3001), '127.0.0.1');

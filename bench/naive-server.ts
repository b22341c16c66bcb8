/**
 * What Resident is compared with: a Transformers.js pipeline, loaded once, in the process that also answers HTTP; with
 * `LOAD_EACH_REQUEST=1` loaded for each request, and released after it.
 * Answers `GET /health/live` and, greedily, `POST /v1/completions` with `{"prompt": ..., "max_tokens": ...}`, and with
 * `"stream": true` as OpenAI streams. The model is the folder `MODEL_FOLDER`, the port `PORT`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { availableParallelism } from 'node:os';
import { basename, dirname } from 'node:path';
import { json } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { env, pipeline, TextStreamer, type TextGenerationPipeline } from '@huggingface/transformers';

interface CompletionBody {
  readonly prompt: string;
  readonly max_tokens: number;
  readonly stream?: boolean;
  readonly ignore_eos?: boolean;
}

const folder = process.env['MODEL_FOLDER'] ?? fileURLToPath(new URL('../models/tales', import.meta.url));

env.allowRemoteModels = false;
env.localModelPath = dirname(folder);

function load(): Promise<TextGenerationPipeline> {
  return pipeline('text-generation', basename(folder), {
    dtype: 'q8',
    // as many as Resident has: by itself ONNX Runtime counts the cores of the machine, also those that the process may not use
    session_options: { intraOpNumThreads: availableParallelism() },
  });
}

const kept = process.env['LOAD_EACH_REQUEST'] === '1' ? undefined : await load();

async function withPipeline<T>(run: (generate: TextGenerationPipeline) => Promise<T>): Promise<T> {
  if (kept) return run(kept);
  const own = await load();
  try {
    return await run(own);
  } finally {
    await own.dispose();
  }
}

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  switch (`${request.method} ${request.url}`) {
    case 'GET /health/live':
      return send(response, 200, { status: 'ok' });
    case 'POST /v1/completions': {
      const body = (await json(request)) as CompletionBody;
      return withPipeline(async (generate) =>
        body.stream === true
          ? stream(generate, body, response)
          : send(response, 200, await complete(generate, body)),
      );
    }
    default:
      return send(response, 404, { error: { message: 'Not found.' } });
  }
}

async function complete(generate: TextGenerationPipeline, body: CompletionBody): Promise<object> {
  const [output] = await generate(body.prompt, optionsOf(body));
  const text = (output as { generated_text: string }).generated_text;
  return {
    choices: [{ index: 0, text }],
    usage: usageOf(generate, body.prompt, countTokens(generate, text)),
  };
}

/**
 * Every request goes straight to the pipeline, as requests do in such a server. The streamer holds text back until a word
 * ends; a frame goes out with every token all the same, so that it is not the streamer that is timed.
 */
async function stream(
  generate: TextGenerationPipeline,
  body: CompletionBody,
  response: ServerResponse,
): Promise<void> {
  const write = (data: object): void => {
    response.write(`data: ${JSON.stringify(data)}\n\n`);
  };
  let tokens = 0;
  let settled = '';
  const sendSettled = (): void => {
    write({ choices: [{ index: 0, text: settled, finish_reason: null }] });
    settled = '';
  };
  const streamer = new TextStreamer(generate.tokenizer, {
    skip_prompt: true,
    callback_function: (text: string) => {
      settled += text;
    },
    token_callback_function: () => {
      tokens++;
      sendSettled();
    },
  });
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  await generate(body.prompt, { ...optionsOf(body), streamer });
  write({ choices: [{ index: 0, text: settled, finish_reason: 'length' }] });
  write({ choices: [], usage: usageOf(generate, body.prompt, tokens) });
  response.end('data: [DONE]\n\n');
}

function optionsOf({ max_tokens, ignore_eos }: CompletionBody) {
  return {
    max_new_tokens: max_tokens,
    ...(ignore_eos === true ? { min_new_tokens: max_tokens } : {}),
    do_sample: false,
    return_full_text: false,
  };
}

function usageOf(generate: TextGenerationPipeline, prompt: string, completion_tokens: number): object {
  return { prompt_tokens: countTokens(generate, prompt), completion_tokens };
}

function countTokens(generate: TextGenerationPipeline, text: string): number {
  return generate.tokenizer.encode(text, { add_special_tokens: false }).length;
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

// a stall longer than the default of 5 s would end connections with requests waiting on them
createServer({ keepAliveTimeout: 300_000 }, (request, response) => {
  answer(request, response).catch((error: unknown) => {
    if (response.headersSent) response.destroy();
    else send(response, 500, { error: { message: String(error) } });
  });
}).listen(Number(process.env['PORT'] ?? 3001), '127.0.0.1');

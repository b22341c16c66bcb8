/**
 * What Resident's embeddings are compared with: a Transformers.js pipeline, loaded once, in the process that also answers HTTP,
 * which embeds each request's text as it comes. Answers `GET /health/live` and `POST /v1/embeddings` with `{"input": ...}`.
 * The model is the folder `MODEL_FOLDER` in the dtype `MODEL_DTYPE`, the port `PORT`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { availableParallelism } from 'node:os';
import { basename, dirname } from 'node:path';
import { json } from 'node:stream/consumers';
import { env, pipeline } from '@huggingface/transformers';

const folder = process.env['MODEL_FOLDER'] ?? '';

env.allowRemoteModels = false;
env.localModelPath = dirname(folder);

const extract = await pipeline('feature-extraction', basename(folder), {
  dtype: process.env['MODEL_DTYPE'] === 'fp32' ? 'fp32' : 'q8',
  // as many as Resident has: by itself ONNX Runtime counts the cores of the machine, also those that the process may not use
  session_options: { intraOpNumThreads: availableParallelism() },
});

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  switch (`${request.method} ${request.url}`) {
    case 'GET /health/live':
      return send(response, 200, { status: 'ok' });
    case 'POST /v1/embeddings': {
      const { input } = (await json(request)) as { readonly input: string };
      const output = await extract(input, { pooling: 'mean', normalize: true });
      const [embedding] = output.tolist() as number[][];
      return send(response, 200, { object: 'list', data: [{ object: 'embedding', index: 0, embedding }] });
    }
    default:
      return send(response, 404, { error: { message: 'Not found.' } });
  }
}

function send(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

// a stall longer than the default of 5 s would end connections with requests waiting on them
createServer({ keepAliveTimeout: 300_000 }, (request, response) => {
  answer(request, response).catch((error: unknown) =>
    send(response, 500, { error: { message: String(error) } }),
  );
}).listen(Number(process.env['PORT'] ?? 3001), '127.0.0.1');

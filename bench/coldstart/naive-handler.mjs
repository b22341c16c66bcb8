// What one writes without Resident: Express and a Transformers.js pipeline in a module's scope, behind the usual adapter. The model is
// the folder MODEL_FOLDER.
import { availableParallelism } from 'node:os';
import { basename, dirname } from 'node:path';
import { ServerlessAdapter } from '@h4ad/serverless-adapter';
import { ApiGatewayV2Adapter } from '@h4ad/serverless-adapter/adapters/aws';
import { ExpressFramework } from '@h4ad/serverless-adapter/frameworks/express';
import { DefaultHandler } from '@h4ad/serverless-adapter/handlers/default';
import { PromiseResolver } from '@h4ad/serverless-adapter/resolvers/promise';
import { env, pipeline } from '@huggingface/transformers';
import express from 'express';

env.allowRemoteModels = false;
env.localModelPath = dirname(process.env.MODEL_FOLDER);
const generator = pipeline('text-generation', basename(process.env.MODEL_FOLDER), {
  dtype: 'q8',
  session_options: { intraOpNumThreads: availableParallelism() },
});

const app = express();
app.post('/v1/completions', express.json(), (request, response, next) => {
  complete(request.body).then((answer) => response.json(answer), next);
});

async function complete({ prompt, max_tokens }) {
  const generate = await generator;
  const [{ generated_text: text }] = await generate(prompt, { max_new_tokens: max_tokens, do_sample: false });
  return { choices: [{ index: 0, text: text.slice(prompt.length) }] };
}

export const handler = ServerlessAdapter.new(app)
  .setFramework(new ExpressFramework())
  .setHandler(new DefaultHandler())
  .setResolver(new PromiseResolver())
  .addAdapter(new ApiGatewayV2Adapter())
  .build();

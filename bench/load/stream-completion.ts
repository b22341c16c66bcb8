import { once } from 'node:events';
import { request, type Agent, type IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { EventSplitter } from '../support/sse.js';

export interface CompletionJob {
  readonly prompt: string;
  readonly promptTokens: number;
  readonly newTokens: number;
}

/** One streamed completion, as its client saw it. Times are `performance.now()`. */
export interface StreamedCompletion {
  /** When it was due, which is when it was sent if nothing held the client up. */
  readonly start: number;
  /** Of every frame that brought text. */
  readonly tokenTimes: readonly number[];
  readonly end: number;
  readonly text: string;
  /** As the server counted them. */
  readonly completionTokens: number;
}

interface Frame {
  readonly choices?: readonly { readonly text: string; readonly finish_reason?: string | null }[];
  readonly usage?: { readonly prompt_tokens: number; readonly completion_tokens: number } | null;
  readonly error?: unknown;
}

/** Where completions are asked for. */
export interface CompletionEndpoint {
  readonly url: string;
  readonly model: string;
  readonly agent: Agent;
}

/**
 * Runs one greedy completion, streamed, to its full length.
 * @param start when it was due; default: now
 * @throws Error if it ends any other way than complete
 */
export async function streamCompletion(
  endpoint: CompletionEndpoint,
  job: CompletionJob,
  start: number = performance.now(),
): Promise<StreamedCompletion> {
  const response = await post(endpoint, job);
  const splitter = new EventSplitter();
  const tokenTimes: number[] = [];
  let answer = '';
  let usage: Frame['usage'];
  let done = false;
  for await (const chunk of response) {
    const now = performance.now();
    for (const data of splitter.push(chunk as string)) {
      if (data === '[DONE]') {
        done = true;
        continue;
      }
      const frame = JSON.parse(data) as Frame;
      if (frame.error !== undefined) throw new Error(`${endpoint.url} sent ${data}`);
      const [choice] = frame.choices ?? [];
      if (choice) answer += choice.text;
      if (choice && choice.finish_reason == null) tokenTimes.push(now);
      usage = frame.usage ?? usage;
    }
  }
  const end = performance.now();
  if (!done || !usage) throw new Error(`${endpoint.url} ended a stream before it was complete`);
  check(endpoint, job, usage);
  return { start, tokenTimes, end, text: answer, completionTokens: usage.completion_tokens };
}

/** What counts other tokens than were asked for doesn't do the same work. */
function check({ url }: CompletionEndpoint, job: CompletionJob, usage: NonNullable<Frame['usage']>): void {
  if (usage.prompt_tokens === job.promptTokens && usage.completion_tokens === job.newTokens) return;
  throw new Error(
    `${url} took ${usage.prompt_tokens} tokens and made ${usage.completion_tokens}, not ${job.promptTokens} and ${job.newTokens}`,
  );
}

async function post({ url, model, agent }: CompletionEndpoint, job: CompletionJob): Promise<IncomingMessage> {
  const body = JSON.stringify({
    model,
    prompt: job.prompt,
    max_tokens: job.newTokens,
    temperature: 0,
    ignore_eos: true,
    stream: true,
    stream_options: { include_usage: true },
  });
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  const sent = request(`${url}/v1/completions`, { method: 'POST', agent, headers });
  sent.end(body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  response.setEncoding('utf8');
  if (response.statusCode !== 200)
    throw new Error(`${url} answered ${response.statusCode}: ${await text(response)}`);
  return response;
}

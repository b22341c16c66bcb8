import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it, vi } from 'vitest';
import {
  createHandler,
  createStreamingHandler,
  loadLambdaConfig,
  type Handler,
  type LambdaResult,
} from '../../src/lambda/index.js';
import { startApp, testConfig, post } from '../support/app.js';
import { installAwsLambda } from '../support/aws-lambda.js';
import { eventAlb, eventV1, eventV2 } from '../support/lambda-events.js';
import { TALES } from '../support/models.js';

const COMPLETION = {
  path: '/v1/completions',
  body: { model: 'tales', prompt: 'Once upon a time', max_tokens: 12, temperature: 0 },
} as const;

interface Answer {
  readonly id: string;
  readonly choices: readonly { readonly text: string }[];
  readonly error?: { readonly code: string; readonly type: string; readonly message: string };
}

function json({ body }: LambdaResult): Answer {
  return JSON.parse(body) as Answer;
}

const config = testConfig();
const handler = createHandler({ config });

afterAll(async () => {
  await handler.close();
  rmSync(config.data, { recursive: true, force: true });
});

describe('a function', () => {
  it('loads the model once for all invocations, at the same time or later', async () => {
    const first = await Promise.all([handler(eventV2(COMPLETION)), handler(eventV2(COMPLETION))]);
    const later = await handler(eventV2(COMPLETION));
    const all = [...first, later];
    expect(all.map(({ statusCode }) => statusCode)).toEqual([200, 200, 200]);
    expect(new Set(all.map(({ headers }) => headers?.['x-resident-instance'])).size).toBe(1);
    const models = await handler(eventV2({ method: 'GET', path: '/v1/models/tales' }));
    expect(JSON.parse(models.body)).toMatchObject({ resident: { loads: 1, pid: process.pid } });
  });

  it('says what a server with an engine process says', async () => {
    const ours = json(await handler(eventV2(COMPLETION)));
    const server = await startApp();
    try {
      const { body } = await post(`${server.url}/v1/completions`, COMPLETION.body);
      expect(ours.choices).toEqual(body['choices']);
    } finally {
      await server.close();
    }
  });

  it.each([
    ['a function URL or an HTTP API', eventV2(COMPLETION)],
    ['one whose body is base64', eventV2({ ...COMPLETION, base64: true })],
    ['a REST API', eventV1(COMPLETION)],
    ['a load balancer', eventAlb(COMPLETION)],
  ])('answers %s', async (_, event) => {
    const result = await handler(event);
    expect(result).toMatchObject({ statusCode: 200, isBase64Encoded: false });
    expect(json(result).choices[0]?.text).toMatch(/^, /);
  });

  it('answers a stream in one piece where it can not stream', async () => {
    const result = await handler(eventV2({ ...COMPLETION, body: { ...COMPLETION.body, stream: true } }));
    expect(result.headers?.['content-type']).toContain('text/event-stream');
    expect(result.headers).not.toHaveProperty('transfer-encoding');
    const lines = result.body.trim().split('\n\n');
    expect(lines.length).toBeGreaterThan(5);
    expect(lines.at(-1)).toBe('data: [DONE]');
  });

  it("keeps OpenAI's envelope and the request's id", async () => {
    const result = await handler(
      eventV2({ ...COMPLETION, body: '{"model": "tales"', headers: { 'x-request-id': 'mine' } }),
    );
    expect(result).toMatchObject({ statusCode: 400, headers: { 'x-request-id': 'mine' } });
    expect(json(result).error).toMatchObject({ code: 'invalid_json', type: 'invalid_request_error' });
    const unknown = await handler(eventV2({ method: 'GET', path: '/v1/a model', query: 'a=b&a=c' }));
    expect(unknown.statusCode).toBe(404);
  });

  it('does not serve what goes on between requests, nor operators who are not on the machine', async () => {
    const batches = await handler(eventV2({ method: 'GET', path: '/v1/batches' }));
    expect(json(batches).error?.code).toBe('not_found');
    const unload = await handler(eventV2({ path: '/v1/models/tales/unload' }));
    expect(json(unload).error?.code).toBe('forbidden');
  });

  it('refuses events that are not of HTTP', async () => {
    await expect(handler({ Records: [] })).rejects.toThrow(/not an HTTP event of AWS Lambda/);
  });
});

describe('a start that fails', () => {
  it('is told in the envelope, and made again by the next invocation', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'resident-lambda-'));
    const file = join(folder, 'resident.yaml');
    process.env['RESIDENT_CONFIG'] = file;
    const failing: Handler = createHandler();
    try {
      writeFileSync(file, `{ models: [{ name: tales, source: ${folder}/nowhere }], log: { level: error } }`);
      const failed = await failing(eventV2(COMPLETION));
      expect(failed.statusCode).toBe(503);
      expect(json(failed).error).toMatchObject({ code: 'engine_restarting', type: 'server_error' });
      writeFileSync(file, JSON.stringify({ models: [TALES], log: { level: 'error' }, data: folder }));
      expect((await failing(eventV2(COMPLETION))).statusCode).toBe(200);
    } finally {
      delete process.env['RESIDENT_CONFIG'];
      await failing.close();
      rmSync(folder, { recursive: true });
    }
  });

  it('keeps what changes under /tmp, unless the configuration says otherwise', () => {
    const { data, hub, batch } = loadLambdaConfig({});
    expect([data, hub.cacheDir]).toEqual(['/tmp/resident/data', '/tmp/resident/cache']);
    expect(batch.cron).toBeNull();
    expect(loadLambdaConfig({ RESIDENT_DATA: '/mnt/data' }).data).toBe('/mnt/data');
  });
});

describe('a function that streams', () => {
  it('needs the runtime that can', () => {
    expect(() => createStreamingHandler({ config })).toThrow(/Use createHandler elsewhere/);
  });

  it('sends each token when it is there, behind status and headers', async () => {
    const runtime = installAwsLambda();
    const streaming = createStreamingHandler({ config });
    try {
      const stream = runtime.openStream();
      await streaming(eventV2({ ...COMPLETION, body: { ...COMPLETION.body, stream: true } }), stream, {});
      expect(stream.head).toMatchObject({
        statusCode: 200,
        headers: { 'content-type': 'text/event-stream; charset=utf-8' },
      });
      // the tokens weren't collected
      expect(stream.chunks.length).toBeGreaterThan(5);
      expect(stream.chunks.join('')).toMatch(/data: \[DONE\]\n\n$/);

      const left = runtime.openStream();
      const long = { ...COMPLETION.body, stream: true, max_tokens: 400, ignore_eos: true };
      left.once('chunk', () => left.destroy());
      await expect(streaming(eventV2({ ...COMPLETION, body: long }), left, {})).rejects.toThrow(
        /premature close/i,
      );
      // what nobody reads isn't generated
      await vi.waitFor(async () => {
        const models = runtime.openStream();
        await streaming(eventV2({ method: 'GET', path: '/v1/models/tales' }), models, {});
        expect(JSON.parse(models.chunks.join(''))).toMatchObject({ resident: { active: 0 } });
      });
    } finally {
      await streaming.close();
      runtime.uninstall();
    }
  });
});

import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { post, type JsonAnswer } from '../support/app.js';
import { query } from '../support/graphql.js';
import { BODY, call, errorOf, startSchedules, type ScheduleApp } from '../support/schedule-app.js';

const KEY = 'a-key-of-some-length';

describe('who may change schedules', () => {
  const REST = [
    ['POST', '/v1/schedules', BODY],
    ['PATCH', '/v1/schedules/nightly', {}],
    ['DELETE', '/v1/schedules/nightly', undefined],
    ['POST', '/v1/schedules/nightly/run', undefined],
    ['POST', '/v1/schedules/nightly/pause', undefined],
    ['POST', '/v1/schedules/nightly/resume', undefined],
  ] as const;
  const MUTATIONS = [
    'createSchedule(input: {name: "x", cron: "* * * * *", source: {inbox: "*"}, endpoint: "/v1/embeddings"})',
    'updateSchedule(id: "nightly", input: {})',
    'deleteSchedule(id: "nightly")',
    'runSchedule(id: "nightly")',
    'pauseSchedule(id: "nightly")',
    'resumeSchedule(id: "nightly")',
  ];

  describe('with a key', () => {
    let locked: ScheduleApp;
    beforeAll(async () => {
      locked = await startSchedules(KEY);
    });
    afterAll(() => locked.close());

    it.each(REST)('%s %s needs it', async (method, path, body) => {
      const without = await call(locked.url, method, path, body);
      expect(errorOf(without)).toEqual([401, 'unauthorized', null]);
      expect(without.headers.get('www-authenticate')).toBe('Bearer');
      expect(errorOf(await call(locked.url, method, path, body, { authorization: 'Bearer wrong' }))[0]).toBe(
        401,
      );
      const admitted = await call(locked.url, method, path, body, { authorization: `Bearer ${KEY}` });
      expect([200, 409]).toContain(admitted.status);
      expect(admitted.headers.get('www-authenticate')).toBeNull();
    });

    it.each(MUTATIONS)('%s needs it', async (mutation) => {
      const text = { query: `mutation { ${mutation} { id } }` };
      const codeOf = ({ body }: JsonAnswer) =>
        (body as { errors?: { extensions: { code: string } }[] }).errors?.[0]?.extensions.code;
      expect(codeOf(await post(`${locked.url}/graphql`, text))).toBe('unauthorized');
      const headers = { 'content-type': 'application/json', authorization: `Bearer ${KEY}` };
      expect(codeOf(await post(`${locked.url}/graphql`, text, { headers }))).not.toBe('unauthorized');
    });

    it('whoever reads needs none', async () => {
      expect((await call(locked.url, 'GET', '/v1/schedules')).status).toBe(200);
      expect((await call(locked.url, 'GET', '/v1/schedules/nightly')).status).toBe(200);
      expect((await query(locked.url, '{ schedules { name } }')).body).not.toHaveProperty('errors');
    });
  });

  describe('without a key', () => {
    let app: ScheduleApp;
    beforeAll(async () => {
      app = await startSchedules(null);
    });
    afterAll(() => app.close());

    it('a proxy is told that it needs one, on REST and on GraphQL', async () => {
      const headers = { 'x-forwarded-for': '203.0.113.7' };
      for (const [method, path, body] of REST)
        expect(errorOf(await call(app.url, method, path, body, headers))).toEqual([403, 'forbidden', null]);
      const answer = await post(
        `${app.url}/graphql`,
        { query: 'mutation { runSchedule(id: "nightly") { id } }' },
        {
          headers: { 'content-type': 'application/json', ...headers },
        },
      );
      expect(answer.body).toMatchObject({ errors: [{ extensions: { code: 'forbidden' } }] });
    });

    it('a page of another origin can not run one with a plain form', async () => {
      const { port } = new URL(app.url);
      const status = await new Promise<number | undefined>((resolve, reject) => {
        const asked = httpRequest(
          {
            port,
            host: '127.0.0.1',
            method: 'POST',
            path: '/v1/schedules/nightly/run',
            headers: { origin: 'https://example.com' },
          },
          (response) => {
            response.resume();
            resolve(response.statusCode);
          },
        );
        asked.on('error', reject).end();
      });
      expect(status).toBe(403);
    });
  });
});

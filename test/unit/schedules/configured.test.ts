import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { describeOnBoth } from './databases.js';
import { daily, DAY, NIGHT, SECOND, servers, standStill } from './server.js';

beforeEach(standStill);
afterEach(() => void vi.useRealTimers());

describeOnBoth('schedules of the configuration', (fresh) => {
  it('are there, keep what they were told, and go when they are gone from it', async () => {
    const [server] = await servers(fresh, 1);
    await server.service.create(daily({ name: 'mine' }));
    await server.service.adopt([daily(), daily({ name: 'other' })], '*/10 * * * * *');
    const names = async () => (await server.service.list()).map(({ name, origin }) => `${name} ${origin}`);
    expect(await names()).toEqual(['inbox config', 'mine api', 'night config', 'other config']);

    await server.service.pause('other');
    vi.setSystemTime(NIGHT + DAY / 2); // nobody was there at night
    await server.service.adopt([daily({ endpoint: '/v1/embeddings' }), daily({ name: 'other' })], null);
    expect(await names()).toEqual(['mine api', 'night config', 'other config']);
    expect(await server.service.get('night')).toMatchObject({ endpoint: '/v1/embeddings', nextRunAt: NIGHT });
    expect(await server.service.get('other')).toMatchObject({ paused: true, nextRunAt: null });
    await server.service.adopt([daily({ cron: '0 4 * * *' })], null);
    expect(await server.service.get('night')).toMatchObject({ nextRunAt: NIGHT + DAY + 3600 * SECOND });
  });

  it('are changed there only', async () => {
    const [server] = await servers(fresh, 1);
    await server.service.adopt([daily()], null);
    await expect(server.service.update('night', { cron: '* * * * *' })).rejects.toMatchObject({
      code: 'conflict',
    });
    await expect(server.service.delete('night')).rejects.toMatchObject({ code: 'conflict' });
  });

  it('are taken from several servers that start at once', async () => {
    const all = await servers(fresh, 3);
    await Promise.all(all.map(({ service }) => service.adopt([daily()], '* * * * *')));
    expect(await all[0].service.list()).toHaveLength(2);
  });

  it.each([
    [[daily({ name: 'inbox' })], "has a schedule named 'inbox', which is the built-in one"],
    [[daily({ source: { kind: 'provider', name: 'nobody' } })], "no line source 'nobody': there are crm"],
    [[daily({ endpoint: '/v1/images' })], "The schedule 'night' of the configuration is wrong"],
    [[daily({ name: 'mine' })], 'one of that name was made through the API'],
  ])('that can not be stop the start with a sentence (%#)', async (configured, sentence) => {
    const [server] = await servers(fresh, 1);
    await server.service.create(daily({ name: 'mine' }));
    await expect(server.service.adopt(configured, '* * * * *')).rejects.toThrow(sentence);
  });
});

import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { EngineProcess } from '../../src/engine/client/engine-process.js';
import { collect } from '../../src/index.js';
import { TALES } from '../support/models.js';

const HUB = { endpoint: 'http://localhost', cacheDir: '/nowhere' };
const PROMPT = { kind: 'text', text: 'Once' } as const;

it('an engine whose step does not come back is killed, and its requests fail', async () => {
  const entry = fileURLToPath(new URL('../support/hanging-engine.mjs', import.meta.url));
  const engine = new EngineProcess({ entry, stepLimitMs: 400 });
  await engine.load(TALES, HUB);
  const generation = collect(engine.generate({ prompt: PROMPT }, {}, () => undefined));
  await expect(generation).rejects.toMatchObject({
    code: 'engine_restarted',
    message: expect.stringContaining('a step took longer than 0.4 s') as string,
  });
  expect(await engine.exited).toContain('a step took longer');
});

it('one that is busy for longer than the limit, but with steps, is not', async () => {
  const engine = new EngineProcess({ stepLimitMs: 400 });
  await engine.load(TALES, HUB);
  // one message in all, many steps: only its answers in between tell that it lives
  const request = { prompt: PROMPT, temperature: 0, maxTokens: 1000, ignoreEos: true };
  const { usage } = await collect(engine.generate(request, { stream: false }, () => undefined));
  expect(usage.completionTokens).toBe(1000);
  await engine.stop();
});

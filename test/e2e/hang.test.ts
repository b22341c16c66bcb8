import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { EngineProcess } from '../../src/engine/client/engine-process.js';
import { Flight } from '../../src/engine/client/flight.js';
import { collect, type Generation, type GenerationRequest } from '../../src/index.js';
import { TALES } from '../support/models.js';

const UNATTENDED = { avoid: [], onProgress: () => undefined, onCondition: () => undefined };
const HUB = { endpoint: 'http://localhost', cacheDir: '/nowhere' };
const PROMPT = { kind: 'text', text: 'Once' } as const;

function generate(engine: EngineProcess, request: GenerationRequest, stream: boolean): Promise<Generation> {
  const plan = { request, priority: 'interactive', client: '', stream } as const;
  const flight = new Flight(plan, undefined, () => undefined);
  engine.take(flight);
  return collect(flight.stream);
}

it('an engine whose step does not come back is killed, and its requests fail', async () => {
  const entry = fileURLToPath(new URL('../support/hanging-engine.mjs', import.meta.url));
  const engine = new EngineProcess({ entry, stepLimitMs: 400 });
  await engine.load(TALES, HUB, UNATTENDED);
  const generation = generate(engine, { prompt: PROMPT }, true);
  await expect(generation).rejects.toMatchObject({
    code: 'engine_restarted',
    message: expect.stringContaining('a step took longer than 0.4 s') as string,
  });
  expect(await engine.exited).toContain('a step took longer');
});

it('an engine whose load does not get on is killed, and says so', async () => {
  const entry = fileURLToPath(new URL('../support/slow-engine.mjs', import.meta.url));
  const engine = new EngineProcess({ entry, loadLimitMs: 400 });
  await expect(engine.load({ ...TALES, source: 'silent' }, HUB, UNATTENDED)).rejects.toMatchObject({
    code: 'engine_died',
    message: expect.stringContaining(
      'was ended because it did not get on for 0.4 s (loadLimitSeconds allows more) while it loaded the model',
    ) as string,
  });
  expect(await engine.exited).toContain('did not get on');
});

it('an engine that has ended, unnoticed yet, keeps a request that may be begun anew, once', async () => {
  const entry = fileURLToPath(new URL('../support/slow-engine.mjs', import.meta.url));
  const engine = new EngineProcess({ entry, keepRetriable: true });
  engine.kill();
  await engine.exited;
  const plan = { request: { prompt: PROMPT }, priority: 'interactive', client: '', stream: true } as const;
  const flight = new Flight(plan, undefined, () => undefined);
  engine.take(flight);
  expect(engine.takeRetriable()).toEqual([flight]);
  engine.take(flight);
  expect(engine.takeRetriable()).toEqual([]);
  await expect(collect(flight.stream)).rejects.toMatchObject({ code: 'engine_restarting' });
});

it('one that loads for longer than the limit, but tells how it goes, is not', async () => {
  const entry = fileURLToPath(new URL('../support/slow-engine.mjs', import.meta.url));
  const engine = new EngineProcess({ entry, loadLimitMs: 800 });
  const { instanceId } = await engine.load({ ...TALES, source: 'talks' }, HUB, UNATTENDED);
  expect(instanceId).toBe('slow');
  await engine.stop();
});

it('one that is busy for longer than the limit, but with steps, is not', async () => {
  const engine = new EngineProcess({ stepLimitMs: 400 });
  await engine.load(TALES, HUB, UNATTENDED);
  // one message in all, many steps: only its answers in between tell that it lives
  const request = { prompt: PROMPT, temperature: 0, maxTokens: 1000, ignoreEos: true };
  const { usage } = await generate(engine, request, false);
  expect(usage.completionTokens).toBe(1000);
  await engine.stop();
});

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

it('one that is busy for longer than the limit, but with steps, is not', async () => {
  const engine = new EngineProcess({ stepLimitMs: 400 });
  await engine.load(TALES, HUB, UNATTENDED);
  // one message in all, many steps: only its answers in between tell that it lives
  const request = { prompt: PROMPT, temperature: 0, maxTokens: 1000, ignoreEos: true };
  const { usage } = await generate(engine, request, false);
  expect(usage.completionTokens).toBe(1000);
  await engine.stop();
});

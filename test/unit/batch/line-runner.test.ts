import { Logger } from '@nestjs/common';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { BatchModuleOptions } from '../../../src/batch/batch-options.interface.js';
import type { Batch } from '../../../src/batch/batch-types.js';
import { LineRunner, nextStep, RunEnded } from '../../../src/batch/execution/line-runner.js';
import { OpenAiFormatter } from '../../../src/batch/lines/line-format.js';
import {
  ERROR_CODES,
  LOAD_ERROR_CODES,
  fromWireError,
  GenerationError,
  type ErrorCode,
} from '../../../src/engine/errors.js';
import { ScriptedModels, type Fate } from './helpers/scripted-models.js';
import { LIMITS } from './helpers/test-worker.js';

const BATCH = {
  id: 'batch_0123456789abcdef01234567',
  endpoint: '/v1/completions',
  lineFormat: 'openai',
} as Batch;
const OPTIONS = { limits: { ...LIMITS, retries: 2 } } as BatchModuleOptions;

let ending: AbortController;
beforeEach(() => {
  ending = new AbortController();
  Logger.overrideLogger(false);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});
afterEach(() => void vi.useRealTimers());

/** Whatever waits needn't. */
async function hurry<T>(answer: Promise<T>): Promise<T> {
  const ticks = setInterval(() => vi.advanceTimersByTime(10_000), 0);
  try {
    return await answer;
  } finally {
    clearInterval(ticks);
  }
}

const answer = (models: ScriptedModels, body: object = {}) =>
  hurry(
    new LineRunner(models.asProvider(), OPTIONS).answer(
      { line: 7, customId: 'a' },
      { customId: 'a', body: { model: 'fake', prompt: 'Once', ...body } },
      { batch: BATCH, formatter: new OpenAiFormatter(BATCH.id), signal: ending.signal },
    ),
  );

/** Fails with these, one after the other, and answers then. */
function failing(...codes: ErrorCode[]): ScriptedModels {
  const models = new ScriptedModels();
  models.fate = (): Fate => {
    const code = codes.shift();
    return code === undefined
      ? { kind: 'answers' }
      : { kind: 'fails', error: fromWireError({ code, message: `it is ${code}` }) };
  };
  return models;
}

const parsed = ({ body }: { body: string }) => JSON.parse(body) as Record<string, unknown>;

describe('a line', () => {
  it('is answered as a request of its body would be', async () => {
    const result = await answer(new ScriptedModels());
    expect(result).toMatchObject({ line: 7, failed: false });
    expect(parsed(result)).toMatchObject({
      id: 'batch_req_0123456789abcdef00000007',
      custom_id: 'a',
      response: { status_code: 200, body: { object: 'text_completion', model: 'fake' } },
      error: null,
    });
  });

  it('is tried again after failures that may pass, so often', async () => {
    const models = failing('generation_failed', 'generation_failed');
    expect(await answer(models)).toMatchObject({ failed: false });
    expect(models.begun).toHaveLength(3);
  });

  it('is an error after one failure more', async () => {
    const models = failing('generation_failed', 'generation_failed', 'generation_failed');
    const result = await answer(models);
    expect(result.failed).toBe(true);
    expect(parsed(result)).toMatchObject({
      response: { status_code: 500, body: { error: { code: 'generation_failed', type: 'server_error' } } },
      error: null,
    });
    expect(models.begun).toHaveLength(3);
  });

  it('waits for a model that loads, and for room, as long as it takes', async () => {
    const models = failing(
      ...Array.from(
        { length: 8 },
        () => ['queue_full', 'model_loading', 'engine_restarting'] as const,
      ).flat(),
    );
    expect(await answer(models)).toMatchObject({ failed: false });
    expect(models.begun).toHaveLength(25);
  });

  it('that is wrong is never run', async () => {
    const models = new ScriptedModels();
    expect(parsed(await answer(models, { tempature: 1 }))).toMatchObject({
      response: { status_code: 400, body: { error: { code: 'unknown_parameter', param: 'tempature' } } },
    });
    expect(models.begun).toEqual([]);
  });

  it('that ends the engine each time is an error that says so', async () => {
    const models = new ScriptedModels();
    models.fate = (prompt) => ({ kind: prompt === 'Once' ? 'kills' : 'answers' });
    const result = await answer(models);
    expect(result.failed).toBe(true);
    expect(parsed(result)).toMatchObject({
      response: null,
      error: { code: 'engine_restarted', message: expect.stringContaining('ended the engine') as string },
    });
    expect(models.deaths).toBe(3);
  });

  it('on which the server itself fails tells nothing of it but where to look', async () => {
    const models = new ScriptedModels();
    models.fate = () => {
      throw new TypeError('secret is undefined');
    };
    const result = await answer(models);
    expect(result.body).not.toContain('secret');
    expect(parsed(result)).toMatchObject({ response: { body: { error: { code: 'internal_error' } } } });
  });

  it.each(['engine_failed', 'model_load_failed', 'server_draining', 'cancelled'] as const)(
    'has no answer yet when the model can not be had: %s',
    async (code) => {
      await expect(answer(failing(code))).rejects.toBeInstanceOf(RunEnded);
    },
  );

  it('that waits is let go when the run ends', async () => {
    const models = failing('model_loading');
    models.whenLoaded = () => new Promise(() => undefined);
    const waiting = answer(models);
    setImmediate(() => ending.abort());
    await expect(waiting).rejects.toBeInstanceOf(RunEnded);
  });
});

it('knows what to do after every code there is', () => {
  const steps = ERROR_CODES.map((code) => [code, nextStep(fromWireError({ code, message: '' }))] as const);
  expect(steps.filter(([, step]) => step !== 'fail')).toEqual([
    ['cancelled', 'end_run'],
    ['model_loading', 'wait_for_model'],
    ['server_draining', 'end_run'],
    ['engine_restarting', 'wait_for_model'],
    ['queue_full', 'wait_for_room'],
    ['generation_failed', 'retry'],
    ['out_of_memory', 'retry'],
    ['engine_failed', 'end_run'],
    ...LOAD_ERROR_CODES.map((code) => [code, 'end_run']),
  ]);
  expect(nextStep(new GenerationError('x'))).toBe('retry');
});

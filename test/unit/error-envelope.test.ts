import {
  BadRequestException,
  HttpException,
  NotFoundException,
  PayloadTooLargeException,
} from '@nestjs/common';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES, LOAD_ERROR_CODES, ResidentError, type ErrorCode } from '../../src/engine/errors.js';
import { statusOf, toErrorAnswer } from '../../src/transport/error-envelope.js';

const STATUSES: Readonly<Record<ErrorCode, number>> = {
  invalid_json: 400,
  invalid_value: 400,
  missing_required_parameter: 400,
  unknown_parameter: 400,
  unsupported_parameter: 400,
  context_length_exceeded: 400,
  no_chat_template: 400,
  task_not_supported: 400,
  model_not_found: 404,
  file_not_found: 404,
  batch_not_found: 404,
  schedule_not_found: 404,
  conflict: 409,
  file_too_large: 413,
  storage_full: 507,
  unauthorized: 401,
  forbidden: 403,
  cancelled: 499,
  model_loading: 503,
  server_draining: 503,
  engine_restarting: 503,
  engine_restarted: 503,
  queue_full: 429,
  deadline_exceeded: 504,
  generation_failed: 500,
  out_of_memory: 500,
  source_not_found: 500,
  access_denied: 500,
  hub_unreachable: 500,
  cache_not_writable: 500,
  disk_full: 500,
  weights_not_found: 500,
  tokenizer_not_found: 500,
  model_corrupt: 500,
  model_unsupported: 500,
  device_unavailable: 500,
  insufficient_memory: 500,
  engine_died: 500,
  model_load_failed: 500,
  engine_failed: 500,
  internal_error: 500,
};

describe('toErrorAnswer', () => {
  it.each(ERROR_CODES)("tells a client of %s in OpenAI's envelope", (code) => {
    const status = STATUSES[code];
    expect(statusOf(code)).toBe(status);
    expect(toErrorAnswer(new ResidentError(code, 'Not so.', { param: 'prompt' }))).toEqual({
      status,
      error: {
        message: 'Not so.',
        type: status === 429 ? 'rate_limit_error' : status < 500 ? 'invalid_request_error' : 'server_error',
        param: 'prompt',
        code,
      },
    });
  });

  it('says null where no field is at fault', () => {
    expect(toErrorAnswer(new ResidentError('model_loading', 'Wait.')).error.param).toBeNull();
  });

  it.each([
    [new BadRequestException('Unexpected token'), 400, 'invalid_json', 'Unexpected token'],
    [new NotFoundException('Cannot GET /x'), 404, 'not_found', 'Cannot GET /x'],
    [new PayloadTooLargeException(), 413, 'request_too_large', 'server.bodyLimit'],
    [new HttpException('I am a teapot', 418), 418, 'invalid_request', 'I am a teapot'],
  ])('tells a client of what Nest refused: %s', (exception, status, code, message) => {
    const { error, ...rest } = toErrorAnswer(exception);
    expect(rest.status).toBe(status);
    expect(error).toMatchObject({ code, type: 'invalid_request_error', param: null });
    expect(error.message).toContain(message);
  });

  it('keeps the server at fault where Nest says so', () => {
    const { status, error } = toErrorAnswer(new HttpException('Bad gateway', 502));
    expect({ status, type: error.type, code: error.code }).toEqual({
      status: 502,
      type: 'server_error',
      code: 'internal_error',
    });
  });

  it.each([[new TypeError('password is hunter2')], ['hunter2'], [undefined], [{ message: 'hunter2' }]])(
    'tells nothing of a failure that is not meant for clients: %s',
    (exception) => {
      const { status, error } = toErrorAnswer(exception);
      expect({ status, type: error.type, code: error.code }).toEqual({
        status: 500,
        type: 'server_error',
        code: 'internal_error',
      });
      expect(JSON.stringify(error)).not.toContain('hunter2');
    },
  );
});

it('the README tells of each reason why a load fails, and of want of memory, what to do', () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const told = [...LOAD_ERROR_CODES, 'out_of_memory'].map((code) => {
    const rows = readme.split('\n').filter((line) => line.startsWith(`| \`${code}\` `));
    const [, , what = '', remedy = ''] = (rows[0] ?? '').split('|').map((cell) => cell.trim());
    return { code, rows: rows.length, what: what.length > 10, remedy: remedy.length > 10 };
  });
  expect(told).toEqual(told.map(({ code }) => ({ code, rows: 1, what: true, remedy: true })));
});

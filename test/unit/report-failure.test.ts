import { Logger } from '@nestjs/common';
import { afterEach, expect, it, vi } from 'vitest';
import { EngineDeadError, InvalidRequestError } from '../../src/engine/errors.js';
import { reportFailure } from '../../src/transport/report-failure.js';

afterEach(() => vi.restoreAllMocks());

function levels() {
  const spy = (level: 'error' | 'warn' | 'debug') =>
    vi.spyOn(Logger.prototype, level).mockImplementation(() => undefined);
  return { error: spy('error'), warn: spy('warn'), debug: spy('debug') };
}

it('gives the log the error itself where the client is told nothing of it', () => {
  const { error } = levels();
  const failure = new Error('password=hunter2');
  expect(reportFailure(failure)).toMatchObject({ status: 500, error: { code: 'internal_error' } });
  expect(error).toHaveBeenCalledExactlyOnceWith(failure);
});

it("warns of the server's faults, and says of the client's only to whoever debugs", () => {
  const { warn, debug } = levels();
  reportFailure(new EngineDeadError('The engine died.'));
  reportFailure(new InvalidRequestError('model_not_found', 'No such model.'));
  expect(warn).toHaveBeenCalledExactlyOnceWith('503 engine_restarted: The engine died.');
  expect(debug).toHaveBeenCalledExactlyOnceWith('404 model_not_found: No such model.');
});

import { describe, expect, it } from 'vitest';
import {
  ERROR_CODES,
  ResidentError,
  UnavailableError,
  fromWireError,
  messageOf,
  toWireError,
} from '../../src/engine/errors.js';

describe('an error that crosses the process boundary', () => {
  it.each(ERROR_CODES)('keeps its code, message and field: %s', (code) => {
    const wire = toWireError(new ResidentError(code, 'No.', { param: 'prompt' }));
    expect(wire).toEqual({ code, message: 'No.', param: 'prompt' });
    const received = fromWireError(structuredClone(wire));
    expect(received).toMatchObject({ code, message: 'No.' });
    expect(received.param).toBe(code === 'cancelled' ? undefined : 'prompt');
  });

  it('keeps its class, by which callers decide what to do', () => {
    for (const code of ERROR_CODES) {
      const error = fromWireError({ code, message: 'No.' });
      expect(toWireError(fromWireError(toWireError(error)))).toEqual(toWireError(error));
      expect(fromWireError(toWireError(error)).constructor).toBe(error.constructor);
    }
    expect(fromWireError({ code: 'model_loading', message: 'Wait.' })).toBeInstanceOf(UnavailableError);
  });

  it('is an internal error if it was not made for clients', () => {
    expect(toWireError(new TypeError('x is not a function'))).toEqual({
      code: 'internal_error',
      message: 'x is not a function',
    });
    expect(toWireError('a string')).toEqual({ code: 'internal_error', message: 'a string' });
  });
});

describe('messageOf', () => {
  it('says what was thrown, whatever it is', () => {
    expect(messageOf(new Error('broken'))).toBe('broken');
    expect(messageOf('broken')).toBe('broken');
    expect(messageOf(undefined)).toBe('undefined');
  });
});

import type { Response } from 'express';
import { describe, expect, it } from 'vitest';
import { requestIdOf, tellFacts } from '../../src/transport/answer-headers.js';

function told(facts: Parameters<typeof tellFacts>[1]): Record<string, unknown> {
  const headers: Record<string, unknown> = {};
  const response = { setHeader: (name: string, value: unknown) => (headers[name] = value) };
  tellFacts(response as unknown as Response, facts);
  return headers;
}

describe('tellFacts', () => {
  it("tells what is known, be it of a call or of a generation's start", () => {
    expect(told({ instanceId: 'a' })).toEqual({ 'x-resident-instance': 'a' });
    expect(told({ instanceId: 'a', timing: { queueMs: 0, inferenceMs: 12.34 } })).toEqual({
      'x-resident-instance': 'a',
      'x-resident-queue-ms': '0.0',
      'x-resident-inference-ms': '12.3',
    });
    const timing = { queueMs: 1, prefillMs: -0.1 };
    const start = { type: 'start', instanceId: 'a', promptTokens: 3, timing };
    expect(told(start)).toEqual({
      'x-resident-instance': 'a',
      'x-resident-queue-ms': '1.0',
      'x-resident-prefill-ms': '0.0',
    });
  });
});

describe('requestIdOf', () => {
  it('is that of the answer, if there is one', () => {
    expect(requestIdOf({ getHeader: () => 'abc' })).toBe('abc');
    expect(requestIdOf({ getHeader: () => undefined })).toBeUndefined();
    expect(requestIdOf(undefined)).toBeUndefined();
  });
});

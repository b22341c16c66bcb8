import { describe, expect, it } from 'vitest';
import { GenerationStream, type Outcome } from '../../src/engine/client/generation-stream.js';
import { ResidentError } from '../../src/engine/errors.js';
import type { CallAnswer } from '../../src/engine/protocol.js';
import type { GenerationEvent } from '../../src/engine/types.js';
import { servedRequest } from '../../src/model/served-request.js';

const FINISH = {
  type: 'finish',
  finishReason: 'length',
  text: '',
  usage: { promptTokens: 3, cachedTokens: 2, completionTokens: 5 },
} as const satisfies GenerationEvent;

const ANSWER = { instanceId: 'a', timing: { queueMs: 0, inferenceMs: 1 } };

/** What a stream's owner is told at its end. */
function open(signal?: AbortSignal): { stream: GenerationStream; told: (Outcome | undefined)[] } {
  const told: (Outcome | undefined)[] = [];
  const onSettled = (outcome?: Outcome): void => void told.push(outcome);
  return { stream: new GenerationStream({ signal, onCancel: () => undefined, onSettled }), told };
}

describe('what a stream tells of its end', () => {
  it('is the finish, once it was read', async () => {
    const { stream, told } = open();
    stream.push({ type: 'token', token: 1, text: 'a' });
    stream.push(FINISH);
    await stream.next();
    expect(told).toEqual([]);
    await stream.next();
    expect(told).toEqual([FINISH]);
  });

  it('is nothing of one that failed, was given up or aborted', async () => {
    const failed = open();
    failed.stream.fail(new ResidentError('internal_error', 'It broke.'));
    await expect(failed.stream.next()).rejects.toThrow('It broke.');
    expect(failed.told).toEqual([undefined]);

    const left = open();
    await left.stream.return();
    left.stream.push(FINISH);
    expect(left.told).toEqual([undefined]);

    const aborter = new AbortController();
    const aborted = open(aborter.signal);
    aborter.abort();
    expect(aborted.told).toEqual([undefined]);
  });
});

describe('servedRequest', () => {
  it('has the tokens of a generation', () => {
    expect(servedRequest('tales', FINISH)).toEqual({
      model: 'tales',
      kind: 'generate',
      finishReason: 'length',
      promptTokens: 3,
      completionTokens: 5,
    });
  });

  it.each([
    ['embed', { embeddings: [], promptTokens: 7 }, 7],
    ['tokenize', { tokens: [] }, 0],
  ] as const)('has the input of a call: %s', (kind, result, promptTokens) => {
    const answer = { type: 'result', result: { kind, ...ANSWER, ...result } } as CallAnswer;
    expect(servedRequest('encoder', answer)).toEqual({
      model: 'encoder',
      kind,
      finishReason: 'stop',
      promptTokens,
      completionTokens: 0,
    });
  });
});

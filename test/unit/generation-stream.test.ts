import * as fc from 'fast-check';
import { getEventListeners } from 'node:events';
import { describe, expect, it, vi } from 'vitest';
import { GenerationStream } from '../../src/engine/client/generation-stream.js';
import { EngineDeadError } from '../../src/engine/errors.js';
import type { GenerationEvent } from '../../src/engine/types.js';

const START: GenerationEvent = { type: 'start', instanceId: 'i', promptTokens: 1 };
const FINISH: GenerationEvent = {
  type: 'finish',
  finishReason: 'length',
  text: '',
  usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 1 },
};
const DONE = { done: true, value: undefined };

function token(number: number): GenerationEvent {
  return { type: 'token', token: number, text: String(number) };
}

function open(signal?: AbortSignal) {
  const onCancel = vi.fn<() => void>();
  const onSettled = vi.fn<() => void>();
  return { stream: new GenerationStream({ signal, onCancel, onSettled }), onCancel, onSettled };
}

async function readAll(stream: AsyncIterable<GenerationEvent>): Promise<GenerationEvent[]> {
  const events: GenerationEvent[] = [];
  for await (const event of stream) events.push(event);
  return events;
}

describe('the events of a GenerationStream', () => {
  it('come in order and end after the finish, whether they are read before or after they arrive', async () => {
    const script = fc.array(fc.constantFrom('read', 'push'), { minLength: 0, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(fc.nat(8), script, async (count, steps) => {
        const events = [START, ...Array.from({ length: count }, (_, i) => token(i)), FINISH];
        const { stream, onCancel, onSettled } = open();
        const arriving = [...events];
        const read: Promise<IteratorResult<GenerationEvent>>[] = [];
        const arrive = (): void => {
          const event = arriving.shift();
          if (event) stream.push(event);
        };
        for (const step of steps) {
          if (step === 'read') read.push(stream.next());
          else arrive();
        }
        while (arriving.length > 0) arrive();
        while (read.length < events.length + 1) read.push(stream.next());
        const results = await Promise.all(read);
        const expected = results.map((_, i) =>
          i < events.length ? { done: false, value: events[i] } : DONE,
        );
        expect(results).toEqual(expected);
        expect(onCancel).not.toHaveBeenCalled();
        expect(onSettled).toHaveBeenCalledTimes(1);
      }),
    );
  });

  it('are read by a loop', async () => {
    const { stream } = open();
    for (const event of [START, token(1), FINISH]) stream.push(event);
    expect(await readAll(stream)).toEqual([START, token(1), FINISH]);
  });

  it('that come after the end are dropped', async () => {
    const { stream } = open();
    for (const event of [START, FINISH, token(9)]) stream.push(event);
    stream.fail(new EngineDeadError('gone'));
    expect(await readAll(stream)).toEqual([START, FINISH]);
  });

  it('count as settled once the finish was read, not when it arrived', async () => {
    const { stream, onSettled } = open();
    stream.push(START);
    stream.push(FINISH);
    await stream.next();
    expect(onSettled).not.toHaveBeenCalled();
    await stream.next();
    expect(onSettled).toHaveBeenCalledTimes(1);
    await stream.next();
    await stream.return();
    expect(onSettled).toHaveBeenCalledTimes(1);
  });
});

describe('return() of a GenerationStream', () => {
  it('takes effect at once while next() waits', async () => {
    const { stream, onCancel, onSettled } = open();
    const waiting = [stream.next(), stream.next()];
    const returned = stream.return();
    expect(onCancel).toHaveBeenCalledTimes(1);
    expect(onSettled).toHaveBeenCalledTimes(1);
    expect(await Promise.all([...waiting, returned])).toEqual([DONE, DONE, DONE]);
  });

  it('drops what was not read, and what comes later', async () => {
    const { stream } = open();
    stream.push(START);
    await stream.return();
    stream.push(token(1));
    expect(await stream.next()).toEqual(DONE);
  });

  it('tells the engine once, however often it is called', async () => {
    const { stream, onCancel, onSettled } = open();
    await stream.return();
    await stream.return();
    expect(onCancel).toHaveBeenCalledTimes(1);
    expect(onSettled).toHaveBeenCalledTimes(1);
  });

  it('tells the engine nothing after the end, read or not', async () => {
    const { stream, onCancel, onSettled } = open();
    stream.push(START);
    stream.push(FINISH);
    await stream.return();
    expect(onCancel).not.toHaveBeenCalled();
    expect(onSettled).toHaveBeenCalledTimes(1);
  });

  it('is what leaving a loop early calls', async () => {
    const { stream, onCancel } = open();
    stream.push(START);
    for await (const event of stream) {
      expect(event).toEqual(START);
      break;
    }
    expect(onCancel).toHaveBeenCalledTimes(1);
  });

  it('leaves the signal without effect', async () => {
    const controller = new AbortController();
    const { stream, onCancel } = open(controller.signal);
    await stream.return();
    controller.abort();
    expect(onCancel).toHaveBeenCalledTimes(1);
    expect(await stream.next()).toEqual(DONE);
  });
});

describe('an abort of a GenerationStream', () => {
  it('takes effect at once while next() waits: it throws, later calls are done', async () => {
    const controller = new AbortController();
    const { stream, onCancel, onSettled } = open(controller.signal);
    const waiting = [stream.next(), stream.next()];
    controller.abort();
    expect(onCancel).toHaveBeenCalledTimes(1);
    expect(onSettled).toHaveBeenCalledTimes(1);
    await expect(waiting[0]).rejects.toMatchObject({ code: 'cancelled' });
    expect(await waiting[1]).toEqual(DONE);
    expect(await stream.next()).toEqual(DONE);
  });

  it('goes before what was not read', async () => {
    const controller = new AbortController();
    const { stream, onSettled } = open(controller.signal);
    stream.push(START);
    controller.abort();
    stream.push(token(1));
    await expect(stream.next()).rejects.toMatchObject({ code: 'cancelled' });
    expect(await stream.next()).toEqual(DONE);
    expect(onSettled).toHaveBeenCalledTimes(1);
  });

  it('before the beginning ends the stream as it is made', async () => {
    const { stream, onCancel } = open(AbortSignal.abort());
    expect(onCancel).toHaveBeenCalledTimes(1);
    await expect(stream.next()).rejects.toMatchObject({ code: 'cancelled' });
  });

  it('is listened for only until the end', async () => {
    const { signal } = new AbortController();
    const [finished, failed, left] = [open(signal), open(signal), open(signal)];
    expect(getEventListeners(signal, 'abort')).toHaveLength(3);
    finished.stream.push(FINISH);
    failed.stream.fail(new EngineDeadError('gone'));
    await left.stream.return();
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('after the end changes nothing: what arrived can be read', async () => {
    const controller = new AbortController();
    const { stream, onCancel } = open(controller.signal);
    stream.push(START);
    stream.push(FINISH);
    controller.abort();
    expect(await readAll(stream)).toEqual([START, FINISH]);
    expect(onCancel).not.toHaveBeenCalled();
  });

  it('followed by return() is told once', async () => {
    const controller = new AbortController();
    const { stream, onCancel, onSettled } = open(controller.signal);
    controller.abort();
    await stream.return();
    expect(onCancel).toHaveBeenCalledTimes(1);
    expect(onSettled).toHaveBeenCalledTimes(1);
    expect(await stream.next()).toEqual(DONE);
  });
});

describe('a GenerationStream that failed', () => {
  it('throws the error once, to the first that waits, and is done then', async () => {
    const { stream, onCancel, onSettled } = open();
    const waiting = [stream.next(), stream.next()];
    stream.fail(new EngineDeadError('gone'));
    await expect(waiting[0]).rejects.toThrow('gone');
    expect(await waiting[1]).toEqual(DONE);
    expect(await stream.next()).toEqual(DONE);
    expect(onCancel).not.toHaveBeenCalled();
    expect(onSettled).toHaveBeenCalledTimes(1);
  });

  it('gives what arrived before it throws', async () => {
    const { stream, onSettled } = open();
    stream.push(START);
    stream.fail(new EngineDeadError('gone'));
    stream.fail(new EngineDeadError('again'));
    expect(await stream.next()).toEqual({ done: false, value: START });
    expect(onSettled).not.toHaveBeenCalled();
    await expect(stream.next()).rejects.toThrow('gone');
    expect(await stream.next()).toEqual(DONE);
    expect(onSettled).toHaveBeenCalledTimes(1);
  });

  it('tells the engine nothing when it is left', async () => {
    const { stream, onCancel, onSettled } = open();
    stream.fail(new EngineDeadError('gone'));
    await stream.return();
    expect(onCancel).not.toHaveBeenCalled();
    expect(onSettled).toHaveBeenCalledTimes(1);
  });

  it('may have failed before it began', async () => {
    const stream = GenerationStream.failed(new EngineDeadError('gone'));
    await expect(readAll(stream)).rejects.toThrow('gone');
    expect(await stream.next()).toEqual(DONE);
  });
});

import { describe, expect, it } from 'vitest';
import { GenerationStream } from '../../src/engine/client/generation-stream.js';
import { EngineDeadError } from '../../src/engine/errors.js';
import type { GenerationEvent } from '../../src/engine/types.js';
import { mapIterator } from '../../src/graphql/map-iterator.js';

function toText(event: GenerationEvent): string | undefined {
  return event.type === 'token' ? event.text : undefined;
}

function named(error: unknown): Error {
  return new Error('told to a client', { cause: error });
}

function open(): { stream: GenerationStream; cancelled: () => number; texts: AsyncIterableIterator<string> } {
  let cancels = 0;
  const stream = new GenerationStream({ onCancel: () => cancels++, onSettled: () => undefined });
  return { stream, cancelled: () => cancels, texts: mapIterator(stream, toText, named) };
}

function pushAll(stream: GenerationStream, ...texts: readonly string[]): void {
  stream.push({ type: 'start', instanceId: 'i', promptTokens: 1 });
  for (const text of texts) stream.push({ type: 'token', token: 1, text });
  stream.push({
    type: 'finish',
    finishReason: 'stop',
    text: '',
    usage: { promptTokens: 1, cachedTokens: 0, completionTokens: texts.length },
  });
}

describe('mapIterator', () => {
  it('maps the items, and leaves out those that become undefined', async () => {
    const { stream, texts } = open();
    pushAll(stream, 'a', '', 'b');
    const read: string[] = [];
    for await (const text of texts) read.push(text);
    expect(read).toEqual(['a', '', 'b']);
    expect(await texts.next()).toEqual({ done: true, value: undefined });
  });

  it('lets return() reach the source at once while next() waits', async () => {
    const { stream, cancelled, texts } = open();
    stream.push({ type: 'start', instanceId: 'i', promptTokens: 1 });
    const waiting = texts.next();
    const returned = texts.return?.();
    expect(cancelled()).toBe(1);
    expect(await returned).toEqual({ done: true, value: undefined });
    expect(await waiting).toEqual({ done: true, value: undefined });
  });

  it('maps what the source throws, after the items before it', async () => {
    const { stream, texts } = open();
    stream.push({ type: 'token', token: 1, text: 'a' });
    const error = new EngineDeadError('gone');
    stream.fail(error);
    expect(await texts.next()).toEqual({ done: false, value: 'a' });
    await expect(texts.next()).rejects.toEqual(named(error));
    expect(await texts.next()).toEqual({ done: true, value: undefined });
  });

  it('returns also from a source that has no return()', async () => {
    const bare: AsyncIterableIterator<number> = {
      [Symbol.asyncIterator]: () => bare,
      next: () => Promise.resolve({ done: false, value: 1 }),
    };
    const mapped = mapIterator(bare, (item) => item + 1, named);
    expect(await mapped.next()).toEqual({ done: false, value: 2 });
    expect(await mapped.return?.()).toEqual({ done: true, value: undefined });
  });
});

import { describe, expect, it } from 'vitest';
import { EncodeLoop } from '../../../src/engine/encoding/encode-loop.js';
import type { EncoderModel, EncoderRow } from '../../../src/engine/encoding/encoder-model.js';
import type { CallContext } from '../../../src/engine/encoding/model-calls.js';

const BAD = 13;

/** Says of each row how many tokens it has; fails on a bad one. */
class CountingModel implements EncoderModel {
  readonly passes: number[][] = [];
  onPass: () => void = () => undefined;

  forward(pass: readonly EncoderRow[]): Promise<Float32Array[]> {
    this.passes.push(pass.map(({ tokens }) => tokens.length));
    this.onPass();
    if (pass.some(({ tokens }) => tokens.length === BAD)) return Promise.reject(new Error('out of luck'));
    return Promise.resolve(pass.map(({ tokens }) => Float32Array.of(tokens.length)));
  }
}

function rows(...lengths: number[]): EncoderRow[] {
  return lengths.map((length) => ({ tokens: new Int32Array(length) }));
}

function context(id: number, more: Partial<CallContext> = {}): CallContext {
  return { id, priority: 'interactive', client: '', signal: new AbortController().signal, ...more };
}

function loopOf(tokens = 64) {
  const model = new CountingModel();
  return { model, loop: new EncodeLoop(model, { tokens, backgroundTokens: tokens }) };
}

const lengthsOf = ({ vectors }: { vectors: readonly Float32Array[] }) => vectors.map(([length]) => length);

it('gives each request its own rows, in its order', async () => {
  const { loop, model } = loopOf();
  const [first, second] = await Promise.all([
    loop.run(rows(3, 5, 4), context(1)),
    loop.run(rows(2, 4), context(2)),
  ]);
  expect(lengthsOf(first)).toEqual([3, 5, 4]);
  expect(lengthsOf(second)).toEqual([2, 4]);
  expect(model.passes).toHaveLength(1);
});

it('splits a long request over passes', async () => {
  const { loop, model } = loopOf(10);
  expect(lengthsOf(await loop.run(rows(4, 5, 5, 4, 5, 4), context(1)))).toEqual([4, 5, 5, 4, 5, 4]);
  expect(model.passes.every((pass) => pass.length <= 2)).toBe(true);
});

it('runs what comes during a pass in the next one', async () => {
  const { loop, model } = loopOf();
  let second: Promise<unknown> | undefined;
  model.onPass = () => {
    second ??= loop.run(rows(7), context(2));
  };
  await loop.run(rows(3), context(1));
  await second;
  expect(model.passes).toEqual([[3], [7]]);
});

describe('a pass that fails', () => {
  it('is halved until the bad input fails alone', async () => {
    const { loop } = loopOf(1000);
    const settled = await Promise.allSettled(
      [5, 6, BAD, 7].map((length, i) => loop.run(rows(length), context(i))),
    );
    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
    expect(settled[2]).toMatchObject({
      reason: { code: 'generation_failed', message: 'The model failed on input 0 of 13 tokens: out of luck' },
    });
  });

  it('takes the rest of its request with it, and nothing else', async () => {
    const { loop, model } = loopOf(BAD);
    const bad = loop.run(rows(BAD, 4, 4, 4), context(1));
    const good = loop.run(rows(2), context(2));
    await expect(bad).rejects.toThrow('out of luck');
    expect(lengthsOf(await good)).toEqual([2]);
    expect(lengthsOf(await loop.run(rows(5), context(3)))).toEqual([5]);
    expect(model.passes.flat().filter((length) => length === 4).length).toBeLessThan(4);
  });
});

describe('cancelling', () => {
  it('rejects at once, and runs nothing that is not in a pass yet', async () => {
    const { loop, model } = loopOf(8);
    const aborter = new AbortController();
    model.onPass = () => aborter.abort();
    const cancelled = loop.run(rows(8, 8, 8), context(1, { signal: aborter.signal }));
    await expect(cancelled).rejects.toMatchObject({ code: 'cancelled' });
    expect(lengthsOf(await loop.run(rows(2), context(2)))).toEqual([2]);
    expect(model.passes).toEqual([[8], [2]]);
  });

  it('is seen before anything ran', async () => {
    const { loop, model } = loopOf();
    await expect(loop.run(rows(2), context(1, { signal: AbortSignal.abort() }))).rejects.toMatchObject({
      code: 'cancelled',
    });
    expect(model.passes).toEqual([]);
  });
});

it('runs background inputs in every fourth pass while people never cease to come', async () => {
  const { loop, model } = loopOf(8);
  let id = 10;
  model.onPass = () => {
    if (id < 20) void loop.run(rows(8), context(++id));
  };
  const background = loop.run(rows(7, 7), context(1, { priority: 'background' }));
  await loop.run(rows(8), context(2));
  await background;
  expect(model.passes.map(([length]) => length)).toEqual([8, 8, 8, 7, 8, 8, 8, 7]);
});

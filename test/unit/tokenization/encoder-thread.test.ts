import { describe, expect, it, onTestFinished } from 'vitest';
import { CancelledError, ResidentError, UnavailableError } from '../../../src/engine/errors.js';
import { EncoderThread, type EncoderThreadOptions } from '../../../src/engine/tokenization/encoder-thread.js';
import { shareDefinition } from '../../../src/engine/tokenization/tokenizer-definition.js';
import { scriptedThread, textJob } from './helpers/scripted.js';

function started(options: EncoderThreadOptions): EncoderThread {
  const thread = new EncoderThread(options);
  onTestFinished(() => thread.stop());
  return thread;
}

describe('EncoderThread', () => {
  it('encodes in the order of the calls', async () => {
    const { options, goOn } = scriptedThread();
    const thread = started(options);
    const settled: number[] = [];
    const jobs = Array.from({ length: 20 }, async (_, index) => {
      const [count] = await thread.encode(textJob(index === 0 ? 'wait' : 'next'), undefined);
      settled.push(index);
      return count;
    });
    goOn();
    expect(await Promise.all(jobs)).toEqual([...jobs.keys()]);
    expect(settled).toEqual([...jobs.keys()]);
    expect(thread.idle).toBe(true);
  });

  it('does not begin a job that was cancelled while it waited', async () => {
    const { options, goOn } = scriptedThread();
    const thread = started(options);
    const first = thread.encode(textJob('wait'), undefined);
    const aborter = new AbortController();
    const second = thread.encode(textJob('second'), aborter.signal);
    const third = thread.encode(textJob('third'), undefined);
    aborter.abort();
    await expect(second).rejects.toThrow(CancelledError);
    goOn();
    expect(await first).toEqual(Int32Array.of(0));
    expect(await third).toEqual(Int32Array.of(1));
  });

  it('drops the result of a job that was cancelled while it ran', async () => {
    const { options, goOn } = scriptedThread();
    const thread = started(options);
    await thread.ready;
    const aborter = new AbortController();
    const first = thread.encode(textJob('wait'), aborter.signal);
    aborter.abort();
    await expect(first).rejects.toThrow(CancelledError);
    expect(thread.idle).toBe(true);
    goOn();
    await expect(thread.encode(textJob('second'), undefined)).resolves.toHaveLength(1);
  });

  it('cancels nothing when the signal is aborted later', async () => {
    const thread = started(scriptedThread().options);
    const aborter = new AbortController();
    await thread.encode(textJob('first'), aborter.signal);
    aborter.abort();
    expect(await thread.encode(textJob('second'), undefined)).toEqual(Int32Array.of(1));
  });

  it('fails what is pending when it dies', async () => {
    const thread = started(scriptedThread().options);
    const jobs = ['exit', 'next'].map((text) => thread.encode(textJob(text), undefined));
    for (const result of await Promise.allSettled(jobs)) {
      expect(result).toMatchObject({
        reason: new ResidentError('internal_error', "The tokenizer's thread ended with code 3."),
      });
    }
    expect(thread.alive).toBe(false);
  });

  it('is never ready if it cannot build its tokenizer', async () => {
    const thread = started({
      definition: shareDefinition({ tokenizer: {}, config: {}, chatTemplate: null }),
    });
    await expect(thread.ready).rejects.toMatchObject({ code: 'internal_error' });
  });

  it('ends in the middle of a job when it is stopped', async () => {
    const { options } = scriptedThread();
    const thread = started(options);
    await thread.ready;
    const job = thread.encode(textJob('wait'), undefined);
    const [[result]] = await Promise.all([Promise.allSettled([job]), thread.stop()]);
    expect(result).toMatchObject({ reason: expect.any(UnavailableError) });
  });
});

import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { UnavailableError } from '../../../src/engine/errors.js';
import { EncoderLane, type EncoderLaneOptions } from '../../../src/engine/tokenization/encoder-lane.js';
import { scriptedThread, textJob } from './helpers/scripted.js';

function laneOf(options: EncoderLaneOptions = scriptedThread().options): EncoderLane {
  const lane = new EncoderLane(options);
  onTestFinished(() => lane.close());
  return lane;
}

describe('EncoderLane', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  it('starts another thread when one died', async () => {
    const lane = laneOf();
    expect(await lane.encode(textJob('first'), undefined)).toEqual(Int32Array.of(0));
    await expect(lane.encode(textJob('exit'), undefined)).rejects.toMatchObject({ code: 'internal_error' });
    expect(await lane.encode(textJob('third'), undefined)).toEqual(Int32Array.of(0));
    expect(await lane.encode(textJob('fourth'), undefined)).toEqual(Int32Array.of(1));
  });

  it('ends its thread when it has had nothing to do for so long, and starts another for the next job', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const lane = laneOf({ ...scriptedThread().options, idleMs: 1000 });
    await lane.encode(textJob('first'), undefined);
    vi.advanceTimersByTime(900);
    expect(await lane.encode(textJob('second'), undefined)).toEqual(Int32Array.of(1));
    vi.advanceTimersByTime(900);
    expect(await lane.encode(textJob('third'), undefined)).toEqual(Int32Array.of(2));
    vi.advanceTimersByTime(1100);
    expect(await lane.encode(textJob('fourth'), undefined)).toEqual(Int32Array.of(0));
  });

  it('does not end its thread at work', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const { options, goOn } = scriptedThread();
    const lane = laneOf({ ...options, idleMs: 1000 });
    await lane.encode(textJob('first'), undefined);
    const second = lane.encode(textJob('wait'), undefined);
    vi.advanceTimersByTime(5000);
    goOn();
    expect(await second).toEqual(Int32Array.of(1));
  });

  it('encodes nothing when it is closed', async () => {
    const lane = laneOf();
    await lane.warmUp();
    await lane.close();
    await expect(lane.encode(textJob('next'), undefined)).rejects.toThrow(UnavailableError);
    await expect(lane.warmUp()).rejects.toThrow(UnavailableError);
  });
});

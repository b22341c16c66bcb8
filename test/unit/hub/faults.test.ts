import * as fc from 'fast-check';
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { LOAD_ERROR_CODES, ModelLoadError } from '../../../src/engine/errors.js';
import { HubModel, openHubModel, type HubSettings } from '../../../src/engine/hub/hub-model.js';
import { startHub, type Fault, type LocalHub } from '../../support/hub.js';
import { temporaryFolder } from '../helpers/temporary-folder.js';
import { Q8_FILES, QUICK, SMALL_MODEL, incompleteBytes } from './small-model.js';

const WEIGHTS = 'onnx/model_quantized.onnx';

let hub: LocalHub;
let cacheDir: string;
beforeEach(async () => {
  hub = await startHub('someone/small', SMALL_MODEL);
  cacheDir = temporaryFolder();
});
afterEach(() => hub.close());

async function fetchQ8(settings: HubSettings = QUICK): Promise<HubModel> {
  const source = { id: 'someone/small', revision: 'main' };
  const model = await openHubModel(source, { endpoint: hub.url, cacheDir }, () => undefined, settings);
  await model.fetch('q8');
  return model;
}

/** These faults for the content of the weights, one a request; then none. A connection breaks when what was sent is on the disk. */
function failWeights(...faults: Fault[]): void {
  hub.script = ({ cdn, file, range }) => {
    const fault = cdn && file === WEIGHTS ? faults.shift() : undefined;
    if (fault?.kind !== 'disconnect') return fault;
    const from = Number(/\d+/.exec(range ?? '0')?.[0]);
    return { ...fault, until: () => (incompleteBytes(cacheDir) ?? 0) >= from + fault.after };
  };
}

function weightRanges(): (string | undefined)[] {
  return hub.requests.filter(({ cdn, file }) => cdn && file === WEIGHTS).map(({ range }) => range);
}

function expectComplete({ folder }: HubModel): void {
  for (const path of Q8_FILES)
    expect(readFileSync(join(folder, path)).equals(Buffer.from(SMALL_MODEL[path]!))).toBe(true);
  const names = readdirSync(folder, { recursive: true }).map(String);
  expect(names.filter((name) => name.endsWith('.incomplete'))).toEqual([]);
  expect(existsSync(join(folder, '.resident', 'lock'))).toBe(false);
}

/** The right bytes, or an error that an operator can do something with. */
function expectGoodEnd(outcome: unknown): void {
  if (outcome instanceof HubModel) return expectComplete(outcome);
  expect(outcome).toBeInstanceOf(ModelLoadError);
  const { code, message } = outcome as ModelLoadError;
  expect(LOAD_ERROR_CODES).toContain(code);
  expect(message).toMatch(/^.{40,}\.$/s);
}

describe('a download goes on where it was', () => {
  it.each<Fault>([
    { kind: 'disconnect', after: 2000 },
    { kind: 'truncate', after: 2000 },
  ])('after a connection that ended early (%o)', async (fault) => {
    failWeights(fault);
    expectComplete(await fetchQ8());
    expect(weightRanges()).toEqual([undefined, 'bytes=2000-']);
  });

  it('after a silence', async () => {
    failWeights({ kind: 'stall', after: 2000 });
    expectComplete(await fetchQ8({ ...QUICK, pace: { ...QUICK.pace, stallMs: 500 } }));
    expect(weightRanges().slice(0, 2)).toEqual([undefined, 'bytes=2000-']);
  });

  it('as often as it takes, as long as bytes come', async () => {
    failWeights(...Array.from({ length: 9 }, () => ({ kind: 'disconnect', after: 500 }) as const));
    expectComplete(await fetchQ8());
    expect(weightRanges()).toHaveLength(10);
  });

  it('in another process', async () => {
    failWeights(
      ...Array.from({ length: 4 }, (_, i) => ({ kind: 'disconnect', after: i === 0 ? 1000 : 0 }) as const),
    );
    await expect(fetchQ8()).rejects.toMatchObject({ code: 'hub_unreachable' });
    hub.requests.length = 0;
    expectComplete(await fetchQ8());
    expect(weightRanges()).toEqual(['bytes=1000-']);
  });

  it('from the start, where the host sends the whole', async () => {
    failWeights({ kind: 'disconnect', after: 2000 }, { kind: 'ignoreRange' });
    expectComplete(await fetchQ8());
    expect(weightRanges()).toHaveLength(2);
  });

  it('from the start, where it is another version', async () => {
    failWeights(
      ...Array.from({ length: 4 }, (_, i) => ({ kind: 'disconnect', after: i === 0 ? 1000 : 0 }) as const),
    );
    await expect(fetchQ8()).rejects.toThrow(ModelLoadError);
    const other = Buffer.alloc(5000, 9);
    hub.push({ ...SMALL_MODEL, [WEIGHTS]: other });
    hub.requests.length = 0;
    const { folder } = await fetchQ8();
    expect(weightRanges()).toEqual([undefined]);
    expect(readFileSync(join(folder, WEIGHTS)).equals(other)).toBe(true);
    expect(readdirSync(join(folder, 'onnx'))).toEqual(['model_quantized.onnx']);
  });

  it('only if the ETag is the same, where there is no hash', async () => {
    await hub.close();
    hub = await startHub('someone/small', SMALL_MODEL, { api: false, hashes: false });
    let failed = false;
    const etags: (string | undefined)[] = [];
    hub.script = ({ file, method, ifRange }) => {
      if (file === WEIGHTS && method === 'GET') etags.push(ifRange);
      if (failed || method !== 'GET' || file !== WEIGHTS) return undefined;
      failed = true;
      const until = (): boolean => {
        if (incompleteBytes(cacheDir) !== 2000) return false;
        hub.push({ ...SMALL_MODEL, [WEIGHTS]: Buffer.alloc(5000, 9) });
        return true;
      };
      return { kind: 'disconnect', after: 2000, until };
    };
    await expect(fetchQ8()).rejects.toThrow(/has changed since it was listed/);
    expect(etags.slice(0, 2)).toEqual([undefined, expect.stringMatching(/^"v-/)]);
    hub.script = () => undefined;
    const { folder } = await fetchQ8();
    expect(readFileSync(join(folder, WEIGHTS)).equals(Buffer.alloc(5000, 9))).toBe(true);
  });
});

describe('an update that breaks off', () => {
  const next: typeof SMALL_MODEL = {
    ...SMALL_MODEL,
    'config.json': '{"model_type": "gpt2"}',
    [WEIGHTS]: Buffer.alloc(5000, 9),
  };

  it('leaves what was complete, to be loaded without the hub; the next one goes on', async () => {
    await fetchQ8();
    const before = hub.commit;
    hub.push(next);
    failWeights(
      ...Array.from({ length: 4 }, (_, i) => ({ kind: 'disconnect', after: i === 0 ? 1000 : 0 }) as const),
    );
    const source = { id: 'someone/small', revision: 'main' };
    const options = { endpoint: hub.url, cacheDir };
    const updated = new HubModel(source, options, () => undefined, QUICK);
    await expect(updated.refresh('q8')).rejects.toMatchObject({ code: 'hub_unreachable' });

    const offline = await openHubModel(source, { ...options, offline: true }, () => undefined, QUICK);
    await offline.fetch('q8');
    expect(offline.commit).toBe(before);
    for (const path of Q8_FILES)
      expect(readFileSync(join(offline.folder, path)).equals(Buffer.from(SMALL_MODEL[path]!))).toBe(true);

    hub.requests.length = 0;
    await updated.refresh('q8');
    expect(weightRanges()).toEqual(['bytes=1000-']);
    expect(updated.commit).toBe(hub.commit);
    for (const path of Q8_FILES)
      expect(readFileSync(join(updated.folder, path)).equals(Buffer.from(next[path]!))).toBe(true);
  });

  it('does not let what was found damaged be loaded', async () => {
    const { folder } = await fetchQ8();
    writeFileSync(join(folder, WEIGHTS), Buffer.alloc(5000));
    hub.script = ({ file }) => (file === WEIGHTS ? { kind: 'status', status: 503 } : undefined);
    const source = { id: 'someone/small', revision: 'main' };
    const options = { endpoint: hub.url, cacheDir };
    const repaired = new HubModel(source, options, () => undefined, QUICK);
    await expect(repaired.refresh('q8')).rejects.toMatchObject({ code: 'hub_unreachable' });
    const offline = await openHubModel(source, { ...options, offline: true }, () => undefined, QUICK);
    await expect(offline.fetch('q8')).rejects.toMatchObject({ code: 'hub_unreachable' });
  });
});

describe('a mirror without ETags', () => {
  it('is asked for the whole again: nobody knows whether the rest is of the same version', async () => {
    await hub.close();
    hub = await startHub('someone/small', SMALL_MODEL, { api: false, hashes: false, etags: 'none' });
    const ranges: (string | undefined)[] = [];
    hub.script = ({ file, method, range }) => {
      if (file !== WEIGHTS || method !== 'GET') return undefined;
      const until = (): boolean => {
        if (incompleteBytes(cacheDir) !== 2000) return false;
        hub.push({ ...SMALL_MODEL, [WEIGHTS]: Buffer.alloc(5000, 9) });
        return true;
      };
      return ranges.push(range) === 1 ? { kind: 'disconnect', after: 2000, until } : undefined;
    };
    const { folder } = await fetchQ8();
    expect(ranges).toEqual([undefined, undefined]);
    expect(readFileSync(join(folder, WEIGHTS)).equals(Buffer.alloc(5000, 9))).toBe(true);
  });
});

describe('a wrong content', () => {
  it('is fetched once more', async () => {
    failWeights({ kind: 'wrongBytes' });
    expectComplete(await fetchQ8());
    expect(weightRanges()).toEqual([undefined, undefined]);
  });

  it('twice is an error, and nothing of it stays', async () => {
    hub.script = ({ file }) => (file === WEIGHTS ? { kind: 'wrongBytes' } : undefined);
    await expect(fetchQ8()).rejects.toMatchObject({
      code: 'model_corrupt',
      message: expect.stringMatching(/model_quantized\.onnx was downloaded twice.*hash/) as string,
    });
    expect(readdirSync(join(cacheDir, 'someone', 'small', 'onnx'))).toEqual([]);
  });

  it('that is shorter and went on wrongly is seen', async () => {
    failWeights({ kind: 'disconnect', after: 2000 }, { kind: 'wrongBytes' });
    expectComplete(await fetchQ8());
    expect(weightRanges()).toEqual([undefined, 'bytes=2000-', undefined]);
  });
});

describe('a busy hub', () => {
  it.each([429, 500, 502, 503, 504])('(%i) is asked again', async (status) => {
    let left = 2;
    hub.script = ({ url }) =>
      url.startsWith('/api/') && left-- > 0 ? { kind: 'status', status } : undefined;
    expectComplete(await fetchQ8());
  });

  it('is left alone for as long as it says', async () => {
    failWeights({ kind: 'status', status: 429, headers: { 'Retry-After': '1' } });
    const waits: number[] = [];
    const wait = (ms: number): Promise<void> => Promise.resolve(void waits.push(ms));
    expectComplete(await fetchQ8({ ...QUICK, pace: { ...QUICK.pace, wait } }));
    expect(waits).toEqual([1000]);
  });

  it.each(['3600', new Date(Date.now() + 3_600_000).toUTCString()])(
    'that asks for too long (%s) is an error that says so',
    async (wait) => {
      hub.script = () => ({ kind: 'status', status: 429, headers: { 'Retry-After': wait } });
      await expect(fetchQ8()).rejects.toThrow(
        /someone\/small can't be had.*status 429 and asks to wait 3[56]\d\d s/,
      );
      expect(hub.requests).toHaveLength(1);
    },
  );

  it('is not asked for ever', async () => {
    hub.script = () => ({ kind: 'status', status: 503 });
    await expect(fetchQ8()).rejects.toMatchObject({ code: 'hub_unreachable' });
    expect(hub.requests).toHaveLength(4);
  });
});

describe('whatever goes wrong', () => {
  const after = fc.nat(6000);
  const fault: fc.Arbitrary<Fault | undefined> = fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    fc.record({ kind: fc.constant('disconnect' as const), after }),
    fc.record({ kind: fc.constant('truncate' as const), after }),
    fc.constant({ kind: 'wrongBytes' as const }),
    fc.constant({ kind: 'ignoreRange' as const }),
    fc.record({ kind: fc.constant('status' as const), status: fc.constantFrom(408, 416, 429, 500, 503) }),
  );

  it('the bytes are right, or there is a sentence; and the next try can go on from there', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fault, { maxLength: 24 }), fc.boolean(), async (faults, hashes) => {
        await rm(join(cacheDir, 'someone'), { recursive: true, force: true });
        await hub.close();
        hub = await startHub('someone/small', SMALL_MODEL, hashes ? {} : { api: false });
        const left = [...faults];
        hub.script = () => left.shift();
        const outcome = await fetchQ8().catch((error: unknown) => error);
        expectGoodEnd(outcome);
        hub.script = () => undefined;
        expectComplete(await fetchQ8());
      }),
      { numRuns: 20 },
    );
  });
});

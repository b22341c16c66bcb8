import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EncoderRow } from '../../../src/engine/encoding/encoder-model.js';
import { ModelLoadError } from '../../../src/engine/errors.js';
import { checkFinite, warmUpEncoder, warmUpGenerator } from '../../../src/engine/placement/warm-up.js';
import type { Limits } from '../../../src/engine/scheduling/scheduled.js';
import { ScriptedModel, type Script } from '../helpers/scripted-model.js';

const LIMITS: Limits = {
  maxRows: 32,
  backgroundRows: 1,
  prefillChunk: 128,
  backgroundChunk: 8,
  backgroundPassMs: 20,
  stepTokens: 256,
};

function noMemory(): Error {
  return new Error('std::bad_alloc');
}

/** There is memory for so many rows, and for pieces of so many tokens. */
function memoryFor(rows: number, tokens: number): Script {
  return {
    during: (pass) => {
      if (pass.length > rows || pass.some((row) => row.tokens.length > tokens)) throw noMemory();
    },
  };
}

describe('the warm-up of a generator', () => {
  it('runs two whole pieces of a prompt, and a token for every row', async () => {
    const model = new ScriptedModel();
    const { limits, warning } = await warmUpGenerator(model, LIMITS, 1024);
    expect({ limits, warning }).toEqual({ limits: LIMITS, warning: undefined });
    expect(model.calls.slice(0, 2).map(({ tokens }) => tokens.length)).toEqual([128, 128]);
    expect(model.widths.at(-1)).toBe(32);
    expect(model.opened.size).toBe(0);
  });

  it('keeps within the context and within the cache', async () => {
    const model = new ScriptedModel({ blocks: 6, blockTokens: 4 });
    await warmUpGenerator(model, LIMITS, 20);
    expect(Math.max(...model.calls.map(({ tokens }) => tokens.length))).toBe(19);
    expect(model.widths.at(-1)).toBe(6);
    expect(model.refusals).toEqual([]);
  });

  it('halves what there is no memory for, and says so', async () => {
    const { limits, warning } = await warmUpGenerator(new ScriptedModel(memoryFor(10, 40)), LIMITS, 1024);
    expect(limits).toMatchObject({ maxRows: 8, prefillChunk: 32, backgroundChunk: 8 });
    expect(warning).toMatch(/Set maxRows: 8 and prefillChunk: 32/);
  });

  it('finds limits that work, if there are any, and keeps them legal', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 2, max: 64 }),
        fc.integer({ min: 16, max: 300 }),
        async (rows, tokens) => {
          const model = new ScriptedModel(memoryFor(rows, tokens));
          const { limits } = await warmUpGenerator(model, LIMITS, 1024);
          expect(limits.maxRows).toBeLessThanOrEqual(rows);
          expect(limits.prefillChunk).toBeLessThanOrEqual(tokens);
          expect(limits.maxRows).toBeGreaterThan(limits.backgroundRows);
          expect(limits.backgroundChunk).toBeLessThanOrEqual(limits.prefillChunk);
          expect(model.opened.size).toBe(0);
        },
      ),
    );
  });

  it('fails where nothing works', async () => {
    const failure = warmUpGenerator(new ScriptedModel(memoryFor(1, 1)), LIMITS, 1024);
    await expect(failure).rejects.toMatchObject({ code: 'insufficient_memory' });
    await expect(failure).rejects.toBeInstanceOf(ModelLoadError);
  });

  it('fails at once for another reason', async () => {
    const model = new ScriptedModel({
      during: () => {
        throw new Error('not implemented');
      },
    });
    await expect(warmUpGenerator(model, LIMITS, 1024)).rejects.toThrow('not implemented');
    expect(model.widths).toHaveLength(1);
  });

  it('fails on numbers that are none', async () => {
    const model = new ScriptedModel();
    const forward = model.forward.bind(model);
    model.forward = async (rows) => (await forward(rows)).map((logits) => logits.fill(NaN, 3, 4));
    await expect(warmUpGenerator(model, LIMITS, 1024)).rejects.toThrow('not finite');
  });

  it('takes minus infinity for what is no token, unless nothing else is there', () => {
    expect(() => checkFinite(Float32Array.of(1, -Infinity))).not.toThrow();
    for (const bad of [
      [-Infinity, -Infinity],
      [1, Infinity],
      [NaN, 1],
    ])
      expect(() => checkFinite(Float32Array.from(bad))).toThrow('not finite');
  });
});

describe('the warm-up of an encoder', () => {
  const modelFor = (most: number) => {
    const passes: number[][] = [];
    return {
      passes,
      forward: async (rows: readonly EncoderRow[]) => {
        passes.push(rows.map(({ tokens }) => tokens.length));
        if (rows.reduce((sum, { tokens }) => sum + tokens.length, 0) > most) throw noMemory();
        return rows.map(() => Float32Array.of(1));
      },
    };
  };

  it('runs as many of the longest inputs as a pass holds', async () => {
    const model = modelFor(1000);
    const limits = { tokens: 512, backgroundTokens: 128 };
    expect(await warmUpEncoder(model, limits, 128)).toEqual({ limits, warning: undefined });
    expect(model.passes).toEqual([[128, 128, 128, 128]]);
  });

  it('halves what there is no memory for, and says so', async () => {
    const { limits, warning } = await warmUpEncoder(
      modelFor(100),
      { tokens: 512, backgroundTokens: 128 },
      512,
    );
    expect(limits).toEqual({ tokens: 64, backgroundTokens: 64 });
    expect(warning).toContain('Set batchTokens: 64');
  });

  it('fails where nothing works', async () => {
    const limits = { tokens: 512, backgroundTokens: 128 };
    await expect(warmUpEncoder(modelFor(1), limits, 512)).rejects.toMatchObject({
      code: 'insufficient_memory',
    });
  });
});

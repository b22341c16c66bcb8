import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KvRow } from '../../../src/engine/kv/kv-cache.js';
import type { ForwardRow } from '../../../src/engine/models/causal-model.js';
import { InPlaceCausalModel } from '../../../src/engine/models/in-place-causal-model.js';
import { bytesPerToken } from '../../../src/engine/models/in-place-memory.js';
import { StepLoop } from '../../../src/engine/generation/step-loop.js';
import { Recorder } from '../helpers/recorder.js';
import { sequenceOf } from '../helpers/sequences.js';
import { FakeDecoder, LAYERS, logitsBehind, VOCABULARY } from './fake-decoder.js';

const BLOCK_TOKENS = 32;

function modelOf({ blocks = 20, prefixCaching = true } = {}) {
  const decoder = new FakeDecoder();
  const model = new InPlaceCausalModel({
    session: decoder.session,
    layers: LAYERS,
    vocabSize: VOCABULARY,
    cacheBytes: blocks * BLOCK_TOKENS * bytesPerToken(LAYERS) + 5,
    prefixCaching,
  });
  return { decoder, model };
}

/** Whether these prompts may be run together: 128 tokens at most, a fifth of them padding at most. */
function isGood(group: readonly ForwardRow<KvRow>[]): boolean {
  const padded = Math.max(...group.map(({ tokens }) => tokens.length)) * group.length;
  const filled = group.reduce((all, { tokens }) => all + tokens.length, 0);
  return padded <= 128 && padded - filled <= 0.2 * padded;
}

interface Running {
  /** All of them, run or not. */
  readonly tokens: number[];
  readonly cache: KvRow;
}

/** Runs the next tokens of each in as many passes as the model wants, and checks what it gives. */
async function step(model: InPlaceCausalModel, rows: readonly (readonly [Running, number])[]): Promise<void> {
  const planned = rows.map(([{ tokens, cache }, count]) => {
    expect(model.reserve(cache, count)).toBe(true);
    return { cache, tokens: tokens.slice(cache.length, cache.length + count) };
  });
  const passes = model.passes(planned);
  expect(new Set(passes.flat())).toEqual(new Set(planned));
  for (const pass of passes) {
    const logits = await model.forward(pass);
    for (const [i, { cache }] of pass.entries()) {
      const { tokens } = rows.find(([running]) => running.cache === cache)?.[0] as Running;
      expect([...(logits[i] as Float32Array)]).toEqual(logitsBehind(tokens.slice(0, cache.length)));
    }
  }
}

const token = fc.nat(VOCABULARY - 1);

/** Prompts that often begin alike. */
const prompts = fc
  .record({
    common: fc.constantFrom(0, 31, 32, 33, 70),
    own: fc.array(token, { minLength: 1, maxLength: 40 }),
  })
  .map(({ common, own }) => [...Array.from({ length: common }, (_, i) => (i * 7) % VOCABULARY), ...own]);

const action = fc.oneof(
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('open' as const), prompt: prompts }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const), pick: fc.nat() }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('step' as const),
      picks: fc.array(fc.nat(), { minLength: 1, maxLength: 5 }),
      chunk: fc.constantFrom(1, 5, 31, 32, 50),
      next: fc.array(token, { minLength: 5, maxLength: 5 }),
      fails: fc.constantFrom(false, false, false, true),
    }),
  },
);

type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

/** Sequences in a model, which come, go, and run together in any company. */
class Company {
  readonly #setUp = modelOf({ blocks: 12 });
  readonly #all: Running[] = [];

  constructor(runsAlone: boolean) {
    this.#setUp.model.runsAlone = runsAlone;
  }

  async run(next: Action): Promise<void> {
    const { model } = this.#setUp;
    if (next.kind === 'open') {
      const { prompt } = next;
      const held = this.#all.reduce(
        (sum, { tokens }) => sum + Math.ceil((tokens.length + 20) / BLOCK_TOKENS),
        0,
      );
      if (held + Math.ceil((prompt.length + 20) / BLOCK_TOKENS) > model.blocks) return;
      this.#all.push({ tokens: [...prompt], cache: model.open(prompt) });
    } else if (next.kind === 'close') {
      const [running] = this.#all.splice(next.pick % Math.max(1, this.#all.length), 1);
      if (running) model.close(running.cache);
    } else {
      await this.#step(next);
    }
  }

  async #step({ picks, chunk, next, fails }: Extract<Action, { kind: 'step' }>): Promise<void> {
    const { model, decoder } = this.#setUp;
    const chosen = new Set(picks.flatMap((pick) => this.#all[pick % Math.max(1, this.#all.length)] ?? []));
    const rows = [...chosen].map((running, i) => {
      const { tokens, cache } = running;
      if (cache.length === tokens.length && tokens.length < 130) tokens.push(next[i] as number);
      return [running, Math.min(chunk, tokens.length - cache.length)] as const;
    });
    const running = rows.filter(([, count]) => count > 0);
    if (fails) await this.#fail(running);
    decoder.before = () => undefined;
    await step(model, running);
  }

  /** A pass that fails, after which all is as before. */
  async #fail(rows: readonly (readonly [Running, number])[]): Promise<void> {
    const { model, decoder } = this.#setUp;
    decoder.before = () => {
      throw new Error('out of memory');
    };
    const before = rows.map(([{ cache }]) => cache.length);
    await expect(
      rows.length > 0 ? step(model, rows) : Promise.reject(new Error('out of memory')),
    ).rejects.toThrow('out of memory');
    expect(rows.map(([{ cache }]) => cache.length)).toEqual(before);
  }

  end(): void {
    const { model, decoder } = this.#setUp;
    for (const { cache } of this.#all) model.close(cache);
    expect(model.availableBlocks).toBe(model.blocks);
    const lone = decoder.shapes.filter(([rows, steps]) => rows * steps === 1);
    if (!model.runsAlone) expect(lone).toEqual([]);
  }
}

describe('InPlaceCausalModel', () => {
  it('gives each sequence what its own tokens say, in any company and with any past', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(action, { maxLength: 30, size: 'max' }),
        fc.boolean(),
        async (actions, runsAlone) => {
          const company = new Company(runsAlone);
          for (const next of actions) await company.run(next);
          company.end();
        },
      ),
      { numRuns: 150 },
    );
  });

  it('starts with a prefix that another one left, or still has', async () => {
    const { model } = modelOf();
    const tokens = Array.from({ length: 70 }, (_, i) => i % VOCABULARY);
    const first = { tokens, cache: model.open(tokens) };
    await step(model, [[first, 70]]);
    const second = { tokens: [...tokens, 1], cache: model.open([...tokens, 1]) };
    expect(second.cache.length).toBe(64);
    await step(model, [[second, 7]]);
    model.close(first.cache);
    const third = { tokens: tokens.slice(0, 40), cache: model.open(tokens.slice(0, 40)) };
    expect(third.cache.length).toBe(32);
    await step(model, [[third, 8]]);
    // decodes over blocks that were copied, and over those that were taken over
    second.tokens.push(3);
    third.tokens.push(4);
    await step(model, [
      [second, 1],
      [third, 1],
    ]);
  });

  it('runs what decodes in one pass, short pieces behind a past with those of their length, long ones alone', () => {
    const { model } = modelOf();
    const row = (length: number, count: number): ForwardRow<KvRow> => {
      const cache = Object.assign(model.open([1]), { length });
      return { cache, tokens: Array.from({ length: count }, () => 1) };
    };
    const rows = [
      row(5, 1),
      row(0, 10),
      row(40, 8),
      row(7, 1),
      row(0, 9),
      row(40, 9),
      row(0, 1),
      row(70, 8),
      row(40, 17),
      row(40, 17),
    ];
    const [a, fresh, x, b, other, y, one, z, long, longer] = rows;
    expect(model.passes(rows)).toEqual([[one], [fresh, other], [x, z], [y], [long], [longer], [a, b]]);
    expect(model.passes([])).toEqual([]);
  });

  it('groups prompts so that a pass is small and little of it is padding, and as many as that allows', () => {
    const { model } = modelOf();
    const lengths = fc.array(fc.integer({ min: 1, max: 128 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(lengths, (counts) => {
        const rows = counts.map((count) => {
          const cache: KvRow = { length: 0, blocks: [], active: false };
          return { cache, tokens: Array.from({ length: count }, () => 1) };
        });
        const groups = model.passes(rows);
        expect(groups.flat()).toHaveLength(rows.length);
        expect(new Set(groups.flat())).toEqual(new Set(rows));
        for (const [i, group] of groups.entries()) {
          expect(group.length === 1 || isGood(group)).toBe(true);
          // the shortest first; the longest of one would have been too much for the next
          const [longest] = groups[i - 1] ?? [];
          expect(longest !== undefined && isGood([...group, longest])).toBe(false);
        }
      }),
    );
  });

  it('counts its cache in blocks of what it may take', () => {
    const { model } = modelOf({ blocks: 3 });
    expect(model.blocks).toBe(3);
    const cache = model.open([1, 2]);
    expect(model.heldBlocks(cache)).toBe(0);
    expect(model.reserve(cache, 33)).toBe(true);
    expect(model.heldBlocks(cache)).toBe(2);
    expect(model.availableBlocks).toBe(1);
    expect(model.reserve(cache, 97)).toBe(false);
    model.close(cache);
    expect(model.availableBlocks).toBe(3);
  });
});

describe('InPlaceCausalModel in the step loop', () => {
  const requests = fc.array(
    fc.record({
      promptTokens: prompts,
      maxTokens: fc.integer({ min: 1, max: 40 }),
      priority: fc.constantFrom('interactive', 'background'),
      temperature: fc.constantFrom(0, 50),
      seed: fc.nat(),
    }),
    { minLength: 1, maxLength: 6 },
  );

  async function tokensOf(
    all: readonly (typeof requests extends fc.Arbitrary<infer T> ? T : never)[number][],
  ) {
    const { model } = modelOf({ blocks: 6 });
    const limits = {
      maxRows: 4,
      backgroundRows: 1,
      backgroundChunk: 8,
      backgroundPassMs: 20,
      prefillChunk: 24,
      stepTokens: 48,
    };
    const loop = new StepLoop(model, limits, 'instance-1');
    const recorders = all.map((each, i) => {
      const recorder = new Recorder();
      loop.add(sequenceOf({ id: i + 1, ...each }), recorder);
      return recorder;
    });
    await Promise.all(recorders.map(({ ended }) => ended));
    expect(recorders.flatMap(({ failures }) => failures)).toEqual([]);
    expect(model.availableBlocks).toBe(model.blocks);
    return recorders.map(({ tokens }) => tokens);
  }

  it('gives together what it gives alone, in a cache that they fight for', async () => {
    await fc.assert(
      fc.asyncProperty(requests, async (all) => {
        const together = await tokensOf(all);
        for (const [i, each] of all.entries()) {
          const [alone] = await tokensOf([each]);
          expect(together[i]).toEqual(alone);
        }
      }),
      { numRuns: 40 },
    );
  });
});

import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RUNTIME_BYTES } from '../../src/engine/placement/memory-plan.js';
import type { FromEngine, LoadReport, ToEngine } from '../../src/engine/protocol.js';
import type { ModelSpec } from '../../src/engine/types.js';
import { makeHungry, writeChangedTales } from '../support/changed-graph.js';
import { engineEntry } from '../support/built-entries.js';
import { TestGenerator, type Arrival } from '../support/generators.js';
import { TALES } from '../support/models.js';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'resident-memory-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function promptOf(length: number, seed = 0): Arrival {
  const tokens = Array.from({ length }, (_, i) => 300 + ((i * 31 + seed * 977) % 3000));
  return { request: { prompt: { kind: 'tokens', tokens }, maxTokens: 16, temperature: 0, ignoreEos: true } };
}

function hungry(
  name: string,
  limits: { tokens: number; from: number },
): Partial<ModelSpec> & { source: string } {
  const source = join(folder, name);
  writeChangedTales(source, (model) => makeHungry(model, limits));
  return { source, kvCache: 'plain' };
}

describe('where ONNX Runtime fails to allocate memory', () => {
  const idsOf = ({ tokens }: { tokens: readonly { token: number }[] }) => tokens.map(({ token }) => token);

  it('in the warm-up, the limits are smaller from the start, and it is said', async () => {
    const conditions: unknown[] = [];
    const model = await TestGenerator.load(hungry('warm', { tokens: 40, from: 0 }), {
      avoid: [],
      onProgress: () => undefined,
      onCondition: (degraded) => conditions.push(degraded),
    });
    expect(model.report.warnings).toEqual([expect.stringContaining('prefillChunk: 32')]);
    expect((await model.run(promptOf(300))).tokens).toHaveLength(16);
    expect(conditions).toEqual([]);
  });

  it('in the warm-up and whatever is tried, the load fails', async () => {
    await expect(TestGenerator.load(hungry('never', { tokens: 0, from: 2 }))).rejects.toMatchObject({
      code: 'insufficient_memory',
    });
  });

  it('at run time, requests survive in smaller passes, and the condition shows it', async () => {
    const conditions: (string | undefined)[] = [];
    const model = await TestGenerator.load(hungry('late', { tokens: 40, from: 300 }), {
      avoid: [],
      onProgress: () => undefined,
      onCondition: (degraded) => conditions.push(degraded),
    });
    const same = await TestGenerator.load({ source: TALES.source, kvCache: 'plain' });
    const arrivals = [promptOf(400, 1), promptOf(50, 2), promptOf(600, 3)];
    const outcomes = await model.runAll(arrivals);
    const expected = await same.runEachAlone(arrivals);
    expect(outcomes.map(idsOf)).toEqual(expected.map(idsOf));
    expect(conditions.at(-1)).toMatch(/^Memory ran short \d+ times/);
  });

  it('on a single token, its request alone fails', async () => {
    const model = await TestGenerator.load(hungry('alone', { tokens: 0, from: 300 }));
    const [failing, other] = await Promise.allSettled([
      model.run(promptOf(295, 1)),
      model.run(promptOf(50, 2)),
    ]);
    expect(failing).toMatchObject({ status: 'rejected', reason: { code: 'out_of_memory' } });
    expect(failing.status === 'rejected' && String(failing.reason)).toMatch(
      /Failed to allocate memory|bad_alloc/,
    );
    expect(other).toMatchObject({ status: 'fulfilled' });
  });
});

/** An engine process, asked directly; RSS as Linux tells it. */
class BareEngine {
  readonly #child: ChildProcess = fork(engineEntry(), {
    serialization: 'advanced',
    execArgv: [],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });

  async ask(message: ToEngine, answer: FromEngine['type']): Promise<FromEngine> {
    this.#child.send(message);
    for (;;) {
      const [got] = (await once(this.#child, 'message')) as [FromEngine];
      if (got.type === 'load_failed' || got.type === 'failed') throw new Error(got.error.message);
      if (got.type === answer) return got;
    }
  }

  async load(spec: ModelSpec): Promise<LoadReport> {
    const hub = { endpoint: 'http://localhost', cacheDir: join(folder, 'cache') };
    const got = await this.ask({ type: 'load', spec, hub, avoid: [] }, 'loaded');
    return (got as Extract<FromEngine, { type: 'loaded' }>).report;
  }

  get rss(): number {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) * 1024;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

/**
 * How far the plan may be off, either way. It counts what the runtime takes besides as one number for all models, and the allocator
 * takes more than it is asked for: measured, about 1.2 times the plan was taken.
 */
const FACTOR = 2;

describe.skipIf(process.platform !== 'linux')('what was planned is about what is taken', () => {
  it.each([
    ['tales', { ...TALES, device: 'cpu' }],
    [
      'encoder',
      {
        name: 'encoder',
        source: join(TALES.source, '../encoder'),
        task: 'feature-extraction',
        device: 'cpu',
        dtype: 'auto',
      },
    ],
  ] as [string, ModelSpec][])('%s', async (_, spec) => {
    const engine = new BareEngine();
    try {
      await engine.ask({ type: 'ping' }, 'pong');
      const before = engine.rss;
      const { memory } = await engine.load(spec);
      if (!memory) throw new Error('nothing was planned');
      let planned = memory.weightsBytes + memory.activationBytes + RUNTIME_BYTES;
      if (spec.task === 'text-generation') {
        const { request } = promptOf(1000);
        const submission = { priority: 'interactive', client: '', stream: false, request } as const;
        for (let id = 1; id <= 4; id++) await engine.ask({ type: 'generate', id, ...submission }, 'event');
        // a token takes 4 KB of the cache
        planned += 1016 * 4096;
      }
      const taken = engine.rss - before;
      expect(taken).toBeGreaterThan(planned / FACTOR);
      expect(taken).toBeLessThan(planned * FACTOR);
    } finally {
      engine.kill();
    }
  });
});

import * as fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { collect } from '../../src/engine/collect.js';
import type { EngineState } from '../../src/engine/client/engine-state.js';
import { ResidentError } from '../../src/engine/errors.js';
import type { GenerationRequest } from '../../src/engine/types.js';
import { SPEC, settle, supervise, type FakeEngine, type Supervised } from './helpers/fake-engine.js';

const KEEP_MS = 30_000;
const DRAIN_MS = 5_000;
const TIMEOUT_MS = 3_000;

/** How a load may end; `stillborn`: it succeeds, and the engine is dead by then. */
const ENDS = ['well', 'well', 'well', 'too-big', 'corrupt', 'dies', 'stillborn'] as const;

/** States that may be seen one after the other, with anything in between that is too short to be seen. */
const NEXT: Readonly<Record<EngineState, readonly EngineState[]>> = {
  idle: ['loading'],
  loading: ['ready', 'failed'],
  ready: ['loading', 'unloading', 'idle'],
  unloading: ['idle', 'loading'],
  failed: ['loading', 'idle'],
  draining: [],
  stopped: [],
};

/** Whether `to` can be reached from `from` in at most so many steps. */
function isLegal(from: EngineState, to: EngineState, steps = 3): boolean {
  if (from === to || to === 'draining' || to === 'stopped') return from !== 'stopped' || to === 'stopped';
  return steps > 0 && NEXT[from].some((next) => isLegal(next, to, steps - 1));
}

/** What is known of a request: how often it was told how it ended. */
interface Asked {
  readonly aborter: AbortController;
  settled: number;
  code: string | undefined;
}

/** The supervisor, and what a client, an operator and fate do to it. */
class World {
  readonly requests: Asked[] = [];
  readonly orders: Promise<unknown>[] = [];
  #state: EngineState = 'idle';
  #over = false;

  constructor(readonly supervised: Supervised) {}

  /** Engines that were made and have neither loaded nor ended. */
  get loading(): FakeEngine[] {
    return this.supervised.engines.filter((engine) => !engine.ended && !this.#loaded.has(engine));
  }

  readonly #loaded = new Set<FakeEngine>();

  get loaded(): FakeEngine[] {
    return this.supervised.engines.filter((engine) => !engine.ended && this.#loaded.has(engine));
  }

  get over(): boolean {
    return this.#over;
  }

  ask(timeoutMs: number | undefined, priority: 'interactive' | 'background', retry: boolean): void {
    const aborter = new AbortController();
    const request: GenerationRequest = { prompt: { kind: 'text', text: 'a' }, timeoutMs };
    const asked: Asked = { aborter, settled: 0, code: undefined };
    this.requests.push(asked);
    collect(this.supervised.supervisor.generate(request, { signal: aborter.signal, priority, retry })).then(
      () => asked.settled++,
      (error: unknown) => {
        asked.settled++;
        asked.code = error instanceof ResidentError ? error.code : String(error);
      },
    );
  }

  load(which: number, how: (typeof ENDS)[number]): void {
    const engine = this.loading[which % Math.max(1, this.loading.length)];
    if (!engine) return;
    if (how === 'well') {
      this.#loaded.add(engine);
      engine.loaded(`load-${this.supervised.engines.indexOf(engine)}`);
    } else if (how === 'stillborn') {
      this.#loaded.add(engine);
      engine.die();
      engine.loaded('stillborn');
    } else if (how === 'dies') engine.dieLoading('webgpu');
    else engine.failLoad(how === 'too-big' ? 'insufficient_memory' : 'model_corrupt');
  }

  finish(which: number): void {
    const busy = this.supervised.engines.filter(({ flights }) => flights.length > 0);
    const engine = busy[which % Math.max(1, busy.length)];
    engine?.finish(which % engine.flights.length);
  }

  die(which: number): void {
    this.loaded[which % Math.max(1, this.loaded.length)]?.die();
  }

  order(what: 'load' | 'unload' | 'reload'): void {
    const { supervisor } = this.supervised;
    const order = what === 'load' ? supervisor.load() : supervisor[what](DRAIN_MS);
    this.orders.push(
      order.then(
        () => undefined,
        () => undefined,
      ),
    );
  }

  async end(): Promise<void> {
    this.#over = true;
    const drained = this.supervised.supervisor.drain(DRAIN_MS);
    await vi.advanceTimersByTimeAsync(DRAIN_MS);
    await drained;
    await this.supervised.supervisor.stop();
    await settle();
  }

  /** What doesn't hold, though nothing is about to happen. */
  problems(): string[] {
    const { supervisor, engines } = this.supervised;
    const { state, active } = supervisor;
    const open = this.requests.filter(({ settled }) => settled === 0);
    const inFlight = engines.reduce((sum, { flights }) => sum + flights.length, 0);
    const latest = [...this.#loaded].at(-1);
    const rules: readonly (readonly [string, boolean])[] = [
      [`${this.#state} -> ${state}`, isLegal(this.#state, state)],
      [`${active} are active, ${open.length} open`, active === open.length],
      ['a request was told twice', this.requests.every(({ settled }) => settled <= 1)],
      ['two loads at once', this.loading.length <= 1],
      ['an engine loads twice', engines.every(({ load }) => load.mock.calls.length === 1)],
      ['a load beside an engine that is there', state !== 'loading' || latest?.ended !== false],
      ['ready without an engine', state !== 'ready' || this.loaded.length > 0],
      ['nobody will serve a request', open.length === 0 || !['idle', 'stopped'].includes(state)],
      ['a request is lost', inFlight >= open.length || ['loading', 'unloading', 'draining'].includes(state)],
    ];
    this.#state = state;
    return rules.filter(([, holds]) => !holds).map(([problem]) => problem);
  }
}

class Step implements fc.AsyncCommand<object, World> {
  constructor(
    readonly name: string,
    readonly act: (world: World) => void | Promise<void>,
  ) {}

  check(): boolean {
    return true;
  }

  async run(_: object, world: World): Promise<void> {
    if (world.over) return;
    await this.act(world);
    await settle();
    const problems = world.problems();
    if (problems.length > 0) throw new Error(problems.join('; '));
  }

  toString(): string {
    return this.name;
  }
}

const which = fc.nat(5);
const single: fc.Arbitrary<Step>[] = [
  fc
    .tuple(
      fc.constantFrom(undefined, TIMEOUT_MS),
      fc.constantFrom('interactive' as const, 'background' as const),
      fc.boolean(),
    )
    .map(
      ([timeout, priority, retry]) =>
        new Step(`ask ${priority} ${timeout} ${retry}`, (w) => w.ask(timeout, priority, retry)),
    ),
  which.map((i) => new Step(`finish ${i}`, (w) => w.finish(i))),
  which.map(
    (i) => new Step(`cancel ${i}`, (w) => w.requests[i % Math.max(1, w.requests.length)]?.aborter.abort()),
  ),
  which.map((i) => new Step(`die ${i}`, (w) => w.die(i))),
  fc
    .tuple(which, fc.constantFrom(...ENDS))
    .map(([i, how]) => new Step(`load ends ${how}`, (w) => w.load(i, how))),
  fc
    .constantFrom('load' as const, 'unload' as const, 'reload' as const)
    .map((what) => new Step(what, (w) => w.order(what))),
  fc
    .constantFrom(10, 250, 1000, 4000, 15_000, KEEP_MS)
    .map((ms) => new Step(`${ms} ms pass`, async () => void (await vi.advanceTimersByTimeAsync(ms)))),
  fc.constant(new Step('end', (w) => w.end())),
];
/** Two in the same turn, or a few turns apart. */
const double = fc
  .tuple(fc.oneof(...single), fc.oneof(...single), fc.nat(8))
  .filter(([first]) => first.name !== 'end')
  .map(
    ([first, second, turns]) =>
      new Step(`${first.name}, ${turns} turns, ${second.name}`, async (w) => {
        await first.act(w);
        for (let i = 0; i < turns; i++) await Promise.resolve();
        await second.act(w);
      }),
  );
const steps = [...single, double, double];

beforeEach(() => void vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

it('loses no request, loads once at a time and ends in order, whatever happens when', async () => {
  const commands = fc.commands(steps, { maxCommands: 60, size: 'max' });
  await fc.assert(
    fc.asyncProperty(commands, async (all) => {
      vi.clearAllTimers(); // of a run that failed: the next ones look for a shorter one
      const world = new World(supervise({ spec: { ...SPEC, maxQueue: 8 }, keepAliveMs: KEEP_MS }));
      await fc.asyncModelRun(() => ({ model: {}, real: world }), all);
      if (!world.over) await world.end();
      // every request was told how it ended, once; every order was carried out or refused; nothing goes on
      expect(world.requests.map(({ settled }) => settled)).toEqual(world.requests.map(() => 1));
      await Promise.all(world.orders);
      expect(world.supervised.supervisor).toMatchObject({ state: 'stopped', active: 0 });
      expect(world.supervised.engines.filter(({ ended }) => !ended)).toEqual([]);
      expect(vi.getTimerCount()).toBe(0);
      for (const { code } of world.requests) expect(EXPECTED_CODES).toContain(code);
    }),
    { numRuns: 400 },
  );
});

/** Of requests; undefined: it was answered. */
const EXPECTED_CODES = [
  undefined,
  'cancelled',
  'deadline_exceeded',
  'queue_full',
  'engine_restarted',
  'engine_restarting',
  'engine_failed',
  'engine_died',
  'model_corrupt',
  'insufficient_memory',
  'server_draining',
];

import * as fc from 'fast-check';
import {
  blocksFor,
  type CacheRoom,
  type Limits,
  type Scheduled,
} from '../../../src/engine/scheduling/scheduled.js';

/** What the scheduler is asked with. */
export interface Situation {
  readonly sequences: readonly Scheduled[];
  readonly limits: Limits;
  readonly room: CacheRoom;
}

export const anyLimits: fc.Arbitrary<Limits> = fc
  .record({
    interactiveRows: fc.integer({ min: 1, max: 4 }),
    backgroundRows: fc.nat(3),
    prefillChunk: fc.integer({ min: 1, max: 8 }),
    backgroundChunk: fc.integer({ min: 1, max: 8 }),
    backgroundPassMs: fc.constant(15),
    stepTokens: fc.integer({ min: 1, max: 16 }),
  })
  .map(({ interactiveRows, ...limits }) => ({ ...limits, maxRows: interactiveRows + limits.backgroundRows }));

interface Draft {
  readonly priority: 'interactive' | 'background';
  readonly client: string;
  readonly state: 'running' | 'parked' | 'waiting';
  readonly tokens: number;
  /** Share of them that is cached. */
  readonly share: number;
  /** Blocks reserved beyond what is cached, as after a pass that failed. */
  readonly reserved: number;
}

const draft: fc.Arbitrary<Draft> = fc.record({
  priority: fc.constantFrom('interactive', 'background'),
  client: fc.constantFrom('a', 'b', 'c'),
  state: fc.constantFrom('running', 'parked', 'waiting', 'waiting'),
  tokens: fc.integer({ min: 1, max: 24 }),
  // also all but one, as of those that decode
  share: fc.oneof(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.constant(0.999)),
  reserved: fc.constantFrom(0, 0, 0, 1),
});

/**
 * Sequences as they can be between two steps, in any order: who waits holds nothing, only background ones are parked, and
 * each fits into the whole cache. More may run than there are rows, as after a pass that failed.
 */
export const situations: fc.Arbitrary<Situation> = fc
  .record({
    drafts: fc.array(draft, { maxLength: 14 }),
    limits: anyLimits,
    blockTokens: fc.integer({ min: 1, max: 4 }),
    spare: fc.nat(12),
    order: fc.infiniteStream(fc.nat()),
  })
  .map(({ drafts, limits, blockTokens, spare, order }) => {
    const sequences = drafts.map((each, i) => sequenceOf(each, i + 1, blockTokens));
    const held = sum(sequences.map(({ blocks }) => blocks));
    const least = Math.max(0, ...sequences.map(({ tokens }) => Math.ceil(tokens / blockTokens)));
    const available = Math.max(spare, least - held);
    return { sequences: shuffled(sequences, order), limits, room: { blockTokens, available } };
  });

function sequenceOf(each: Draft, id: number, blockTokens: number): Scheduled {
  const { priority, client, tokens } = each;
  const running = each.state === 'running';
  const parked = each.state === 'parked' && priority === 'background' && tokens > 1;
  const part = Math.floor(tokens * each.share);
  const cached = running ? part : parked ? Math.max(1, part) : 0;
  const blocks = Math.ceil(cached / blockTokens) + (running || parked ? each.reserved : 0);
  return { id, priority, client, running, tokens, cached, blocks };
}

function shuffled<T>(items: readonly T[], order: Iterator<number>): T[] {
  return items
    .map((item) => ({ item, at: order.next().value as number }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

export function needed({ tokens, blocks }: Scheduled, room: CacheRoom): number {
  return Math.max(0, blocksFor(tokens, room) - blocks);
}

export function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

import type { Priority } from '../types.js';

/** An input that waits. */
export interface WaitingInput {
  /** Its place in its request. */
  readonly index: number;
  /** In tokens, at least 1. */
  readonly length: number;
}

/** A request as the planner sees it. Ids rise with the order of arrival. */
export interface WaitingRequest {
  readonly id: number;
  readonly priority: Priority;
  readonly client: string;
  /** Those that no pass has run yet. */
  readonly waiting: readonly WaitingInput[];
}

/** What a pass may hold. */
export interface PassBudget {
  /** Most tokens, padding included; a single input may be longer. */
  readonly tokens: number;
  /** The same for a pass over background inputs: somebody who comes meanwhile waits for its end. */
  readonly backgroundTokens: number;
  /** It is the background's turn, even if interactive inputs wait. */
  readonly backgroundTurn: boolean;
}

export interface PlannedInput extends WaitingInput {
  readonly request: number;
}

/** What a pass costs besides its tokens, in tokens: it is what makes few passes better than many. */
const PASS_COST = 16;
/** So many budgets of waiting tokens are divided into passes at once. More of them means less padding, and more to plan. */
const WINDOW = 8;
const MOST_CANDIDATES = 512;

/**
 * Decides which inputs run together next.
 *
 * - Interactive ones come first, and have a pass to themselves, unless it is the background's turn.
 * - Clients share the passes evenly, and so do the requests of one client: a long list of inputs holds up nobody. Whoever is
 *   first in this order is in the next pass, so that nobody waits for ever.
 * - What waits is divided into passes of similar lengths, as it costs least altogether: each pass costs its inputs times its
 *   longest one, and something for itself.
 *
 * A pure function. Each input comes at most once; together they are within the budget, unless there is only one.
 * @returns the shortest first; empty if nothing waits
 */
export function planPass(requests: Iterable<WaitingRequest>, budget: PassBudget): PlannedInput[] {
  const groups: Record<Priority, WaitingRequest[]> = { interactive: [], background: [] };
  for (const request of requests) if (request.waiting.length > 0) groups[request.priority].push(request);
  const background =
    groups.background.length > 0 && (budget.backgroundTurn || groups.interactive.length === 0);
  const tokens = background ? budget.backgroundTokens : budget.tokens;
  const candidates = fairOrder(groups[background ? 'background' : 'interactive'], tokens * WINDOW);
  const [first] = candidates;
  if (!first) return [];
  const sorted = candidates.toSorted((a, b) => a.length - b.length);
  return cheapestPasses(sorted, tokens).find((pass) => pass.includes(first)) ?? [first];
}

interface Queued {
  readonly input: PlannedInput;
  /** Tokens that are before it in its own queue. */
  readonly behind: number;
}

/** The first inputs, of so many tokens together, at least one: each client's and each request's turn in turn. */
function fairOrder(requests: readonly WaitingRequest[], tokens: number): PlannedInput[] {
  const clients = new Map<string, Queued[]>();
  for (const request of requests) {
    const queue = clients.get(request.client) ?? [];
    queue.push(...queueOf(inputsOf(request, tokens)));
    clients.set(request.client, queue);
  }
  const merged = [...clients.values()].flatMap((queue) => queueOf(inTurn(queue)));
  const order: PlannedInput[] = [];
  let left = tokens;
  for (const input of inTurn(merged)) {
    if (order.length > 0 && (input.length > left || order.length === MOST_CANDIDATES)) break;
    order.push(input);
    left -= input.length;
  }
  return order;
}

/** No more than could have a place, however many there are. */
function inputsOf({ id, waiting }: WaitingRequest, tokens: number): PlannedInput[] {
  const inputs: PlannedInput[] = [];
  let left = tokens;
  for (const { index, length } of waiting) {
    if (left <= 0 || inputs.length === MOST_CANDIDATES) break;
    inputs.push({ request: id, index, length });
    left -= length;
  }
  return inputs;
}

function queueOf(inputs: readonly PlannedInput[]): Queued[] {
  let behind = 0;
  return inputs.map((input) => {
    const queued = { input, behind };
    behind += input.length;
    return queued;
  });
}

/** Several queues as one: who has the least before it in its own; then the order of arrival. Sorting is stable. */
function inTurn(queued: readonly Queued[]): PlannedInput[] {
  return queued
    .toSorted((a, b) => a.behind - b.behind || a.input.request - b.input.request)
    .map(({ input }) => input);
}

/**
 * The cheapest division into passes, found by dynamic programming: the cheapest one of the first n inputs is that of fewer of them
 * and one pass with the rest.
 * @param inputs the shortest first
 */
function cheapestPasses(inputs: readonly PlannedInput[], tokens: number): PlannedInput[][] {
  const costs = [0];
  const begins = [0];
  for (let end = 1; end <= inputs.length; end++) {
    const { length } = inputs[end - 1] as PlannedInput;
    let best = Infinity;
    for (let begin = end - 1; begin >= 0; begin--) {
      const padded = (end - begin) * length;
      if (padded > tokens && begin < end - 1) break;
      const cost = (costs[begin] as number) + padded + PASS_COST;
      if (cost >= best) continue;
      best = cost;
      begins[end] = begin;
    }
    costs[end] = best;
  }
  const passes: PlannedInput[][] = [];
  for (let end = inputs.length; end > 0; end = begins[end] as number)
    passes.push(inputs.slice(begins[end], end));
  return passes;
}

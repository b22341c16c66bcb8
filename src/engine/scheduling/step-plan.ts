import { pending, WHOLE_SHARE, type BackgroundShare, type Limits, type Scheduled } from './scheduled.js';

/** Tokens that one sequence runs in a step: the next ones that aren't in its cache. */
export interface PlannedRow {
  readonly id: number;
  readonly count: number;
}

export interface StepPlan {
  /** Pieces of prompts. */
  readonly prefill: readonly PlannedRow[];
  /** One token each. */
  readonly decode: readonly PlannedRow[];
}

/** So often the oldest prompt goes first, not the shortest. */
const OLDEST_EVERY = 4;

/**
 * Decides what the next step runs: every sequence that decodes, and as many pieces of prompts as the step has tokens
 * left for, at least one. A piece is the chunk (of its priority) or what is left of the prompt, never less: where a prompt is cut
 * depends on nothing that runs beside it, and so doesn't its result.
 *
 * Interactive prompts go first, and background ones only in a step without them; the prompt with the least left goes before longer
 * ones, which gives the least time to first token on average. But in every fourth step the oldest goes first, of whatever
 * priority, so that none waits for ever.
 *
 * A pure function.
 * @param number of the step
 */
export function planStep(
  running: Iterable<Scheduled>,
  limits: Limits,
  number: number,
  background: BackgroundShare = WHOLE_SHARE,
): StepPlan {
  const prompts: Scheduled[] = [];
  const decode: PlannedRow[] = [];
  for (const sequence of running) {
    if (pending(sequence) === 1 && sequence.cached > 0) decode.push({ id: sequence.id, count: 1 });
    else prompts.push(sequence);
  }
  const tokens = limits.stepTokens - decode.length;
  return { prefill: planPrefill(prompts, limits, tokens, number, background), decode };
}

function planPrefill(
  prompts: readonly Scheduled[],
  limits: Limits,
  tokens: number,
  number: number,
  background: BackgroundShare,
): PlannedRow[] {
  const interactive = prompts.filter(({ priority }) => priority === 'interactive');
  const byArrival = prompts.toSorted((a, b) => a.id - b.id);
  const oldest = number % OLDEST_EVERY === 0 ? byArrival.slice(0, 1) : [];
  const others = byArrival.filter(
    (each) => !oldest.includes(each) && (interactive.length === 0 || each.priority === 'interactive'),
  );
  // sorting is stable
  const order = [...oldest, ...others.toSorted((a, b) => pending(a) - pending(b))];
  const rows: PlannedRow[] = [];
  // of background prompts, no more than one interactive piece: the rows that decode wait for it, too
  let left = interactive.length > 0 ? tokens : Math.min(tokens, limits.prefillChunk, background.promptTokens);
  for (const sequence of order) {
    const count = Math.min(pending(sequence), chunkOf(sequence, limits));
    if (count > left && rows.length > 0) break;
    rows.push({ id: sequence.id, count });
    left -= count;
  }
  return rows;
}

function chunkOf({ priority }: Scheduled, { prefillChunk, backgroundChunk }: Limits): number {
  return priority === 'interactive' ? prefillChunk : Math.min(prefillChunk, backgroundChunk);
}

import { reloadSecondsAvoided } from '../residency/ledger.js';
import type { ModelFigures } from '../residency/residency.service.js';
import type { LoopDelay } from './event-loop-delay.js';

/** What the server knows of itself. */
export interface ServerFigures {
  /** Resident memory of its process, in bytes. */
  readonly rss: number;
  readonly loopDelay: LoopDelay;
}

/** A value, by the value of the metric's own label if it has one; what isn't known is left out. */
type Samples = number | undefined | Readonly<Record<string, number>>;

export interface Metric<Figures> {
  /** Without the prefix `resident_`. */
  readonly name: string;
  readonly type: 'counter' | 'gauge';
  readonly help: string;
  /** Besides `model_name`. Its values are few and known. */
  readonly label?: string;
  readonly read: (figures: Figures) => Samples;
}

/** Names that vLLM has, too, mean the same as there. */
export const MODEL_METRICS: readonly Metric<ModelFigures>[] = [
  {
    name: 'model_loads_total',
    type: 'counter',
    help: 'Times that the model was loaded.',
    read: ({ usage }) => usage.loads,
  },
  {
    name: 'model_load_seconds_total',
    type: 'counter',
    help: 'Seconds that its loads took, all together.',
    read: ({ usage }) => usage.loadMs / 1000,
  },
  {
    name: 'model_resident_seconds_total',
    type: 'counter',
    help: 'Seconds that it was resident, all together.',
    read: ({ usage }) => usage.residentSeconds,
  },
  {
    name: 'reload_seconds_avoided',
    type: 'gauge',
    help: 'Seconds of loads that its requests would have needed, had each loaded the model.',
    read: ({ usage }) => reloadSecondsAvoided(usage),
  },
  {
    name: 'num_requests_active',
    type: 'gauge',
    help: 'Requests under way or waiting.',
    read: ({ active }) => active,
  },
  {
    name: 'request_success_total',
    type: 'counter',
    help: 'Requests that were answered whole.',
    label: 'finished_reason',
    read: ({ tally }) => tally.finished,
  },
  {
    name: 'prompt_tokens_total',
    type: 'counter',
    help: 'Tokens of the prompts and inputs of these requests.',
    read: ({ tally }) => tally.promptTokens,
  },
  {
    name: 'generation_tokens_total',
    type: 'counter',
    help: 'Tokens that these requests generated.',
    read: ({ tally }) => tally.completionTokens,
  },
  {
    name: 'engine_restarts_total',
    type: 'counter',
    help: 'Times that its engine process was started again because it had died.',
    read: ({ usage }) => usage.restarts,
  },
  {
    name: 'engine_resident_memory_bytes',
    type: 'gauge',
    help: 'Resident memory of its engine process.',
    read: ({ usage }) => usage.engineRss,
  },
  {
    name: 'engine_event_loop_delay_p99_seconds',
    type: 'gauge',
    help: 'How late turns of the event loop of its engine process were lately, 99th percentile.',
    read: ({ usage: { engineEventLoopDelayP99Ms: ms } }) => ms && ms / 1000,
  },
];

export const SERVER_METRICS: readonly Metric<ServerFigures>[] = [
  {
    name: 'server_resident_memory_bytes',
    type: 'gauge',
    help: 'Resident memory of the server process.',
    read: ({ rss }) => rss,
  },
  {
    name: 'server_event_loop_delay_seconds',
    type: 'gauge',
    help: 'How late turns of the event loop of the server process were since the last scrape.',
    label: 'quantile',
    read: ({ loopDelay: { p50, p99, max } }) => ({ '0.5': p50, '0.99': p99, '1': max }),
  },
];

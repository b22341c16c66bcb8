import { z } from 'zod';
import { ENGINE_STATES } from '../engine/client/engine-state.js';
import type { ResidencyEntry } from './ledger.js';
import type { ResidencyLedger } from './residency.service.js';
import { RATE_WINDOW } from './request-rate.js';

const RATE_WINDOW_SECONDS = (RATE_WINDOW.buckets * RATE_WINDOW.bucketMs) / 1000;

const breakEvenSchema = z.strictObject({
  keep_hour_cost: z.number().describe('Of keeping it for an hour, in the currency of the prices.'),
  load_cost: z.number().describe('Of one load.'),
  requests_per_minute: z
    .number()
    .describe('With more requests than this, keeping it costs less than a load for each.'),
  idle_seconds: z
    .number()
    .nullable()
    .describe('Keeping it so long costs as much as one load; null: memory costs nothing.'),
});

const suggestionSchema = z.strictObject({
  keep_alive: z.string().describe('always, or an idle time like 30s, 10m, 2h.'),
  reason: z.string().describe('One sentence with the figures.'),
});

const entrySchema = z.strictObject({
  model: z.string(),
  state: z.enum(ENGINE_STATES),
  loads: z.int(),
  load_seconds: z.number().describe('Of all loads together.'),
  last_load_seconds: z.number().nullable(),
  load_cpu_seconds: z.number().nullable().describe('CPU time of one load, on average, all threads together.'),
  requests: z.int().describe('Of every kind, answered whole.'),
  reload_seconds_avoided: z
    .number()
    .describe('How long people would have waited for loads, had each request needed one of its own.'),
  requests_per_minute: z.number().describe('Over the last ten minutes.'),
  resident_seconds: z.number().describe('How long it was resident, altogether.'),
  memory_bytes: z.int().nullable().describe('Resident memory of its engine process.'),
  break_even: breakEvenSchema.nullable().describe('null until load and memory are measured.'),
  suggestion: suggestionSchema.nullable(),
});

/** `GET /v1/residency` */
export const residencySchema = z.strictObject({
  object: z.literal('residency'),
  since: z.string().describe('When counting began, ISO 8601.'),
  window_seconds: z.int().describe('What requests_per_minute is measured over.'),
  prices: z.strictObject({
    gb_hour: z.number().describe('Of 2^30 bytes kept for an hour.'),
    cpu_hour: z.number().describe('Of one core, busy for an hour.'),
    currency: z.string(),
  }),
  data: z.array(entrySchema),
});
export type ResidencyBody = z.output<typeof residencySchema>;

export function toResidencyBody({ since, prices, entries }: ResidencyLedger): ResidencyBody {
  const { gbHourPrice, cpuHourPrice, currency } = prices;
  return {
    object: 'residency',
    since,
    window_seconds: RATE_WINDOW_SECONDS,
    prices: { gb_hour: gbHourPrice, cpu_hour: cpuHourPrice, currency },
    data: entries.map(toEntryBody),
  };
}

function toEntryBody(entry: ResidencyEntry): ResidencyBody['data'][number] {
  const { breakEven, suggestion } = entry;
  return {
    model: entry.model,
    state: entry.state,
    loads: entry.loads,
    load_seconds: entry.loadSeconds,
    last_load_seconds: entry.lastLoadSeconds,
    load_cpu_seconds: entry.loadCpuSeconds,
    requests: entry.requests,
    reload_seconds_avoided: entry.reloadSecondsAvoided,
    requests_per_minute: entry.requestsPerMinute,
    resident_seconds: entry.residentSeconds,
    memory_bytes: entry.memoryBytes,
    break_even: breakEven && {
      keep_hour_cost: breakEven.keepHourCost,
      load_cost: breakEven.loadCost,
      requests_per_minute: breakEven.requestsPerMinute,
      idle_seconds: breakEven.idleSeconds,
    },
    suggestion: suggestion && { keep_alive: suggestion.keepAlive, reason: suggestion.reason },
  };
}

import { z } from 'zod';
import { isCron, isTimeZone } from '../batch/schedules/cron-times.js';
import { DEFAULT_LIMITS } from '../engine/loading/limits.js';
import { DEVICES, DTYPES, KV_CACHE_MODES, POOLINGS, TASKS } from '../engine/types.js';
import { LOAD_MODES } from '../model/model-options.interface.js';

const cronSchema = z
  .string()
  .refine(isCron, 'is not a cron expression (five fields, or six with seconds first)');

const UNITS = { b: 1, kb: 2 ** 10, mb: 2 ** 20, gb: 2 ** 30 } as const;
const SIZE = /^(\d+)(b|kb|mb|gb)$/;
const memorySchema = z.string().regex(SIZE, 'must be a size like 2gb').transform(bytesOf);

/** @param size that a schema has seen, like `10mb` */
export function bytesOf(size: string): number {
  const [, number, unit] = SIZE.exec(size) as unknown as [string, string, keyof typeof UNITS];
  return Number(number) * UNITS[unit];
}

const DURATION_UNITS = { s: 1000, m: 60_000, h: 3_600_000 } as const;
const DURATION = /^([1-9]\d{0,5})([smh])$/;
/** What a timer can wait for. */
const LONGEST_KEEP_ALIVE_MS = 24 * 24 * DURATION_UNITS.h;

const KEEP_ALIVE = "must be 'always' or a time like 30s, 10m or 2h, at most 576h";

const keepAliveSchema = z
  .string(KEEP_ALIVE)
  .refine(
    (text) => text === 'always' || (DURATION.test(text) && durationOf(text) <= LONGEST_KEEP_ALIVE_MS),
    KEEP_ALIVE,
  )
  .transform((text) => (text === 'always' ? ('always' as const) : durationOf(text)));

/** In milliseconds. */
function durationOf(text: string): number {
  const [, number, unit] = DURATION.exec(text) as unknown as [string, string, keyof typeof DURATION_UNITS];
  return Number(number) * DURATION_UNITS[unit];
}

export const modelSchema = z
  .strictObject({
    /** What clients send as `model`. */
    name: z.string().min(1),
    /** Other names for it. */
    aliases: z.array(z.string().min(1)).optional(),
    /** A folder, or a Hugging Face id `owner/name` or `owner/name@revision`. */
    source: z.string().min(1),
    task: z.enum(TASKS).default('text-generation'),
    device: z.enum(DEVICES).default('auto'),
    dtype: z.enum(DTYPES).default('auto'),
    /** Threads of one forward pass; default: the cores this process may use. */
    threads: z.int().min(1).max(256).optional(),
    /** `inplace`: many sequences in one step over a rewritten graph; `plain`: one at a time over the graph as it is. */
    kvCache: z.enum(KV_CACHE_MODES).default('auto'),
    /** Most memory that the model may take: weights, activations, KV cache and runtime; default: what is free. */
    memory: memorySchema.optional(),
    /** Most memory that the KV cache takes, e.g. `2gb`; default: a quarter of what there is, at most 1 GB. */
    kvCacheMemory: memorySchema.optional(),
    /** Whether requests that begin alike share what is in the KV cache. */
    prefixCache: z.boolean().default(true),
    /** Most sequences in one step; default of this and of the next ones: see `engine/loading/limits.ts`, by device. */
    maxRows: z.int().min(2).max(1024).optional(),
    /** Rows that background work keeps while interactive work waits. */
    backgroundRows: z.int().min(1).default(DEFAULT_LIMITS.backgroundRows),
    /** Most tokens of one prompt in one step: a longer piece is faster and lets running streams wait longer. */
    prefillChunk: z.int().min(16).optional(),
    /** The same for batches. Fewer let people who come wait less; which tokens share a step can show in the last digits. */
    backgroundChunk: z.int().min(1).optional(),
    /** While people are about, batches run as few rows at once as it takes for a step to last no longer; in milliseconds. */
    backgroundPassMs: z.number().positive().default(DEFAULT_LIMITS.backgroundPassMs),
    /** Most tokens in one step. */
    stepTokens: z.int().min(16).optional(),
    /** Of an embedding model: how the vectors of the tokens become one; default: what its files say, else `mean`. */
    pooling: z.enum(POOLINGS).optional(),
    /** Of an embedding model: vectors of length 1; default: what its files say, else true. */
    normalize: z.boolean().optional(),
    /** Of an embedding model: texts that may go before an input, by name, besides those in its files. */
    prompts: z.record(z.string().min(1), z.string()).optional(),
    /** Of an encoder: most tokens of one input; default: what its files say. */
    maxTokens: z.int().min(8).optional(),
    /** Of an encoder: most tokens of one pass, padding included; default: 512 on the CPU, 4096 elsewhere. */
    batchTokens: z.int().min(16).optional(),
    /** Most generations under way or waiting, of each priority; one more is refused with 429. */
    maxQueue: z.int().min(1).optional(),
    /** A step that takes longer means that the engine hangs: it is restarted. */
    stepLimitSeconds: z.number().positive().max(86_400).optional(),
    /** A load that doesn't get on for so long hangs, and fails. */
    loadLimitSeconds: z.number().positive().max(86_400).optional(),
    /** `await`: no port is open before the model is loaded. `background`: readiness answers 503 until then. `lazy`: the first request loads it. */
    load: z.enum(LOAD_MODES).default('await'),
    /** How long it is kept without being used: `always`, or e.g. `10m`. */
    keepAlive: keepAliveSchema.default('always'),
  })
  .refine(({ backgroundRows, maxRows = DEFAULT_LIMITS.maxRows }) => backgroundRows < maxRows, {
    path: ['backgroundRows'],
    message: 'must be less than maxRows',
  });

/** `inbox`, `outbox` and `done` are relative to `data`. */
const batchSchema = z.strictObject({
  /** When the inbox is looked at; null: never. */
  cron: cronSchema.nullable(),
  inbox: z.string().min(1),
  outbox: z.string().min(1),
  done: z.string().min(1),
  /** Largest input, e.g. `512mb`; of a compressed one, once it is inflated. */
  maxFileSize: memorySchema,
  maxLines: z.int().min(1),
  maxLineSize: memorySchema,
  /** Lines in flight at a time, in one server. */
  concurrency: z.int().min(1).max(4096),
  /** Most lines that one server takes up at a time. */
  chunkLines: z.int().min(1).max(100_000),
  /** Times that a line is tried again after a failure that may pass. */
  retries: z.int().min(0).max(100),
  /** Most chunks that all servers together take up in so many seconds. Needs Redis. */
  rateLimit: z.strictObject({ chunks: z.int().min(1), seconds: z.number().positive() }).nullable(),
  /** Days that files are kept that say nothing themselves; null: until somebody deletes them. */
  fileDays: z.number().positive().nullable(),
  /** Days that ended batches are listed; null: for ever. */
  batchDays: z.number().positive().nullable(),
});

const sourceSchema = z.union(
  [
    z.strictObject({ file: z.string().min(1) }),
    z.strictObject({ inbox: z.string().min(1) }),
    z.strictObject({ provider: z.string().min(1) }),
  ],
  'must be one of {file: id}, {inbox: pattern}, {provider: name}',
);

export const scheduleSchema = z.strictObject({
  name: z.string().min(1).max(64),
  cron: cronSchema,
  /** IANA name of the time zone that `cron` means. */
  timeZone: z.string().refine(isTimeZone, 'is not a time zone, like Europe/Berlin').default('UTC'),
  source: sourceSchema,
  endpoint: z.string().startsWith('/v1/'),
  metadata: z.record(z.string(), z.string()).nullable().default(null),
  /** A run that takes longer expires. */
  timeoutSeconds: z.int().min(1).max(31_536_000).nullable().default(null),
  /** A run whose time passed while no server ran: left out, or made up for once. */
  missedRuns: z.enum(['skip', 'run_once']).default('skip'),
});

export const configSchema = z.strictObject({
  server: z.strictObject({
    host: z.string().min(1),
    port: z.int().min(0).max(65_535),
    /** Largest request body, and largest message over a WebSocket, e.g. `10mb`. */
    bodyLimit: z.string().regex(SIZE, 'must be a size like 10mb'),
    /** How long a shutdown waits for generations in flight. */
    drainSeconds: z.number().min(0).max(3600),
  }),
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error']) }),
  models: z
    .array(modelSchema)
    .min(1)
    .refine((models) => {
      const names = models.flatMap(({ name, aliases = [] }) => [name, ...aliases]);
      return new Set(names).size === names.length;
    }, 'has two models of one name or alias'),
  hub: z.strictObject({
    endpoint: z
      .url({ protocol: /^https?$/ })
      .refine((url) => !/\/\/[^/]*@/.test(url), 'must not hold a user or a password'),
    /** Where downloaded models are kept; default: `resident` in the user's cache directory. */
    cacheDir: z.string().min(1).optional(),
    /** Whether only what is in the cache is used; HF_HUB_OFFLINE. */
    offline: z.boolean(),
    /** Whether an endpoint other than the Hugging Face hub is told HF_TOKEN, too. */
    trustEndpoint: z.boolean(),
  }),
  graphql: z.strictObject({
    introspection: z.boolean(),
    /** Whether browsers that open `/graphql` get a page to try operations with. */
    explorer: z.boolean(),
    /** Most levels of fields in an operation. */
    maxDepth: z.int().min(1),
    /** Most aliases: with them one operation runs a field many times. */
    maxAliases: z.int().min(0),
    /** Most cost of an operation: 1 for a scalar, 2 for an object, times 1.5 for each level. */
    maxCost: z.number().positive(),
    /** Most tokens of a document; values in variables don't count. */
    maxTokens: z.int().min(1),
  }),
  /** What memory and computing cost, for what keeping a model resident costs and saves. Only their ratio matters to what is suggested. */
  residency: z.strictObject({
    /** Of one GB kept for an hour; 0: it is paid for anyway. */
    gbHourPrice: z.number().min(0),
    /** Of one core, busy for an hour. */
    cpuHourPrice: z.number().positive(),
    currency: z.string().min(1).max(16),
  }),
  metrics: z.strictObject({
    /** Whether `GET /metrics` is there. */
    enabled: z.boolean(),
  }),
  /** The folder for everything that changes. */
  data: z.string().min(1),
  storage: z.strictObject({
    /** A SQLite file, relative to `data`; with DATABASE_URL the tables are in that Postgres database instead. */
    database: z.string().min(1),
    url: z.url({ protocol: /^postgres(ql)?$/ }).nullable(),
    /** The folder of uploads and results, relative to `data`. */
    files: z.string().min(1),
    /** Most bytes of all files together, e.g. `50gb`; null: the disk is the limit. */
    quota: memorySchema.nullable(),
  }),
  redis: z.strictObject({
    /** Several servers share batches through it; REDIS_URL. */
    url: z.url({ protocol: /^rediss?$/ }).nullable(),
    /** Of its keys. */
    prefix: z.string().min(1),
  }),
  admin: z.strictObject({
    /** What `Authorization: Bearer …` has to say to change schedules; null: only callers from this machine may. RESIDENT_ADMIN_KEY. */
    key: z.string().min(16).nullable(),
  }),
  batch: batchSchema,
  schedules: z
    .array(scheduleSchema)
    .refine(
      (schedules) => new Set(schedules.map(({ name }) => name)).size === schedules.length,
      'has two schedules of one name',
    ),
});

export type ResidentConfig = z.output<typeof configSchema>;
export type ModelConfig = z.output<typeof modelSchema>;
export type LogLevelName = ResidentConfig['log']['level'];

import { Logger } from '@nestjs/common';
import { Queue, Worker, type Job } from 'bullmq';
import { Redis } from 'ioredis';
import { randomUUID } from 'node:crypto';
import { messageOf } from '../../engine/errors.js';
import type { BatchModuleOptions } from '../batch-options.interface.js';
import type { ChunkKey, ChunksRepository, Lease } from '../store/chunks.repository.js';
import type { Chunk } from '../batch-types.js';
import { ChunkDispatcher, type LocalDispatcher } from './chunk-dispatcher.js';

export interface RedisDispatcherOptions {
  readonly redis: NonNullable<BatchModuleOptions['redis']>;
  readonly rateLimit: BatchModuleOptions['rateLimit'];
  readonly lease: Lease;
}

/** Chunks that are offered at a time. */
const MOST_OFFERED = 256;
/** A chunk that nobody has taken up by then is offered again: what Redis knew may be gone. */
const OFFER_AGAIN_MS = 3000;
/** A job that a worker took and didn't claim the chunk of within this time was taken by one that is gone. */
const LOCK_MS = 5000;
/** Most jobs looked at for one chunk: those of chunks that can't be had any more are dropped. */
const MOST_LOOKS = 64;
/** How long a command may take before Redis counts as away. */
const COMMAND_MS = 2000;
const LONGEST_RECONNECT_MS = 1000;
/** How long a chunk that this worker can't run is left to the others. */
const PUT_BACK_MS = 1000;

/**
 * Distributes chunks through a queue of BullMQ. A job says that there is a chunk to be taken up, no more: whoever gets it claims
 * the chunk in the tables, and then the job is done. So nothing is lost with Redis; while it is away each worker looks into
 * the tables for itself.
 */
export class RedisDispatcher extends ChunkDispatcher {
  readonly #log = new Logger('Batches');
  readonly #chunks: ChunksRepository;
  readonly #local: LocalDispatcher;
  readonly #lease: Lease;
  readonly #redis: Redis;
  /** Hears of offers: a connection that has subscribed can do nothing else. */
  readonly #ear: Redis;
  readonly #channel: string;
  readonly #queue: Queue<ChunkKey>;
  readonly #worker: Worker<ChunkKey>;
  /** When which job was offered. */
  readonly #offered = new Map<string, number>();
  #state: 'connecting' | 'up' | 'away' | 'closed' = 'connecting';
  #hasTold = false;

  constructor(
    chunks: ChunksRepository,
    local: LocalDispatcher,
    { redis, rateLimit, lease }: RedisDispatcherOptions,
  ) {
    super();
    this.#chunks = chunks;
    this.#local = local;
    this.#lease = lease;
    this.#redis = connectionTo(redis.url);
    const shared = { connection: this.#redis, prefix: redis.prefix };
    this.#ear = this.#redis.duplicate();
    this.#channel = `${redis.prefix}:chunks:offered`;
    this.#queue = new Queue('chunks', shared);
    this.#worker = new Worker('chunks', undefined, {
      ...shared,
      autorun: false,
      lockDuration: LOCK_MS,
      stalledInterval: LOCK_MS,
      // nobody is to blame for a worker that is gone
      maxStalledCount: Number.MAX_SAFE_INTEGER,
      ...(rateLimit && { limiter: { max: rateLimit.chunks, duration: rateLimit.seconds * 1000 } }),
    });
    const onError = (error: Error): void => this.#onTrouble(error);
    this.#redis.on('error', onError);
    this.#queue.on('error', onError);
    this.#worker.on('error', onError);
    this.#redis.on('ready', () => this.#onUp());
    this.#redis.on('close', () => this.#onAway());
    // what it has trouble with, the other one has, too; unheard, an offer is found within a second
    this.#ear.on('error', () => undefined);
    this.#ear.on('ready', () => void this.#ear.subscribe(this.#channel).catch(() => undefined));
    this.#ear.on('message', () => this.onOffer());
  }

  /** Whether chunks come through Redis now. */
  get isShared(): boolean {
    return this.#state === 'up';
  }

  /** While Redis is away the tables are looked into instead; a rate limit doesn't hold then. */
  async take(except: readonly number[]): Promise<Chunk | undefined> {
    switch (this.#state) {
      case 'up':
        return this.#takeShared(except);
      case 'away':
        return this.#local.take(except);
      case 'connecting': // in a moment it is one of those
      case 'closed':
        return undefined;
      default:
        return this.#state satisfies never;
    }
  }

  async #takeShared(except: readonly number[]): Promise<Chunk | undefined> {
    try {
      return await this.#takeNext(except);
    } catch (error) {
      if (!(error instanceof RedisTrouble)) throw error;
      this.#onTrouble(error.cause);
      return this.#local.take(except);
    }
  }

  async offer(): Promise<void> {
    if (!this.isShared) return;
    const now = Date.now();
    for (const [id, at] of this.#offered) if (now - at > OFFER_AGAIN_MS) this.#offered.delete(id);
    const chunks = await this.#chunks.claimable(MOST_OFFERED);
    const jobs = chunks
      .map(({ batch, number, attempts }) => ({
        id: `${batch}-${number}-${attempts}`,
        data: { batch, number },
      }))
      .filter(({ id }) => !this.#offered.has(id));
    if (jobs.length === 0) return;
    try {
      await this.#queue.addBulk(
        jobs.map(({ id, data }) => ({
          name: 'chunk',
          data,
          // a job of this id that is there already stays as it is
          opts: { jobId: id, removeOnComplete: true, removeOnFail: true },
        })),
      );
      for (const { id } of jobs) this.#offered.set(id, now);
      await this.#redis.publish(this.#channel, '');
    } catch (error) {
      this.#onTrouble(error);
    }
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    // jobs that were taken are done by now; what these wait for doesn't matter
    const closing = [this.#worker.close(true), this.#queue.close()];
    for (const each of closing) each.catch(() => undefined);
    this.#redis.disconnect();
    this.#ear.disconnect();
  }

  async #takeNext(except: readonly number[]): Promise<Chunk | undefined> {
    for (let looks = 0; looks < MOST_LOOKS && this.isShared; looks++) {
      const token = randomUUID();
      const job = await told(this.#worker.getNextJob(token, { block: false }));
      if (!job) return undefined;
      const taken = await this.#claim(job, token, except);
      if (taken) return taken;
    }
    return undefined;
  }

  async #claim(job: Job<ChunkKey>, token: string, except: readonly number[]): Promise<Chunk | undefined> {
    const { batch, number } = job.data;
    if (except.includes(batch)) {
      await told(job.moveToDelayed(Date.now() + PUT_BACK_MS, token));
      return undefined;
    }
    const chunk = await this.#chunks.claim(this.#lease, { batch, number }).catch(async (error: unknown) => {
      // the tables are away: the job is for whoever comes next, and needn't be missed before
      await told(job.moveToDelayed(Date.now() + PUT_BACK_MS, token));
      throw error;
    });
    // the chunk is ours, whatever becomes of the job
    await job.moveToCompleted(null, token, false).catch((error: unknown) => this.#onTrouble(error));
    return chunk;
  }

  #onAway(): void {
    if (this.#state !== 'closed') this.#state = 'away';
  }

  #onUp(): void {
    if (this.#state === 'closed') return;
    this.#state = 'up';
    this.#offered.clear();
    void this.#worker.startStalledCheckTimer().catch((error: unknown) => this.#onTrouble(error));
    this.#log.log(
      this.#hasTold ? 'Redis is back: batches are shared again' : 'batches are shared through Redis',
    );
    this.#hasTold = false;
  }

  #onTrouble(error: unknown): void {
    if (this.#state === 'closed' || this.#hasTold) return;
    this.#hasTold = true;
    this.#log.warn(
      `The Redis of REDIS_URL has trouble: ${messageOf(error)}. Meanwhile this process looks for work by itself; nothing is lost.`,
    );
  }
}

/** What a command failed with, told from what the tables fail with. */
class RedisTrouble extends Error {}

/** @throws RedisTrouble */
async function told<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer;
  } catch (error) {
    throw new RedisTrouble('a command failed', { cause: error });
  }
}

/** Commands fail at once while it is away, instead of waiting for it: at the end, too. */
function connectionTo(url: string): Redis {
  return new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: null,
    commandTimeout: COMMAND_MS,
    retryStrategy: (times) => Math.min(times * 100, LONGEST_RECONNECT_MS),
  });
}

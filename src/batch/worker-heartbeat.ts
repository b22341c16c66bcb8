import { Injectable, Logger, type OnApplicationBootstrap, type OnModuleDestroy } from '@nestjs/common';
import { Interval } from '@nestjs/schedule';
import { messageOf } from '../engine/errors.js';
import { isAlive } from './is-alive.js';
import { WorkersRepository } from './store/workers.repository.js';
import { WorkerIdentity } from './worker-identity.js';

const BEAT_MS = 2000;
/** A killed process is told about for so long. */
const FORGET_MS = 86_400_000;

/**
 * Tells the others that share the database that this process works, and clears up after those of this machine that were killed.
 * Containers may have one host name and see each other's processes as dead: their leases are cut short then, which costs
 * work that is done twice, and no answer, since every write is fenced.
 */
@Injectable()
export class WorkerHeartbeat implements OnApplicationBootstrap, OnModuleDestroy {
  readonly #log = new Logger(WorkerHeartbeat.name);
  readonly #workers: WorkersRepository;
  readonly #identity: WorkerIdentity;
  #active = false;
  #beating: Promise<void> | undefined;
  #failing = false;

  constructor(workers: WorkersRepository, identity: WorkerIdentity) {
    this.#workers = workers;
    this.#identity = identity;
  }

  async onApplicationBootstrap(): Promise<void> {
    this.#active = true;
    await this.beat();
    await this.#workers.forgetSilent(FORGET_MS);
  }

  async onModuleDestroy(): Promise<void> {
    this.#active = false;
    await this.#beating;
    // one that can't say goodbye is forgotten all the same
    await this.#workers.remove(this.#identity.id).catch(() => undefined);
  }

  @Interval('resident.heartbeat', BEAT_MS)
  beat(): Promise<void> {
    if (!this.#active) return Promise.resolve();
    this.#beating ??= this.#beat().finally(() => (this.#beating = undefined));
    return this.#beating;
  }

  async #beat(): Promise<void> {
    const { id, host, pid, startedAt } = this.#identity;
    try {
      await this.#workers.beat({ id, host, pid, started_at: startedAt });
      for (const other of await this.#workers.on(host))
        if (other.id !== id && !isAlive(other.pid)) await this.#workers.bury(other.id);
      this.#failing = false;
    } catch (error) {
      if (!this.#failing)
        this.#log.warn(`the database can't be told that this process works: ${messageOf(error)}`);
      this.#failing = true;
    }
  }
}

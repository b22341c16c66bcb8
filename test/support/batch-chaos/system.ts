import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TestPostgres } from '../postgres.js';
import { TestRedis } from '../redis.js';
import { isAlive, ServerProcess, until } from '../server.js';
import { Witness } from './witness.js';

export interface SystemShape {
  /** `sqlite`: one server over a file. `shared`: servers over one Postgres, one Redis and one folder of files. */
  readonly storage: 'sqlite' | 'shared';
  readonly servers: number;
  /** `embedded`: the model that comes with Resident. */
  readonly engine: ScriptedEngine | 'embedded';
}

/** An engine without a model: as many requests at a time as it has rows, each for so long. */
export interface ScriptedEngine {
  readonly latencyMs: number;
  /** Share of the latency that it may be shorter or longer; default: 0. */
  readonly jitter?: number;
  readonly rows: number;
}

export interface Services {
  readonly postgres: TestPostgres;
  readonly redis: TestRedis;
}

/** Servers over one store, that can be killed and started again, and a look at what they leave behind. */
export class ChaosSystem {
  readonly #servers: (ServerProcess | undefined)[] = [];
  readonly #store: NodeJS.ProcessEnv;
  #failure: unknown;

  /**
   * @param data the data folder of all servers
   * @param store variables that say where the store is
   */
  private constructor(
    readonly shape: SystemShape,
    readonly data: string,
    readonly witness: Witness,
    readonly services: Services | undefined,
    store: NodeJS.ProcessEnv,
  ) {
    this.#store = store;
  }

  static async start(shape: SystemShape): Promise<ChaosSystem> {
    const data = mkdtempSync(join(tmpdir(), 'resident-chaos-'));
    mkdirSync(join(data, 'input'));
    const services = shape.storage === 'shared' ? await startServices() : undefined;
    const url = await services?.postgres.createDatabase();
    const witness = await Witness.open(
      url === undefined ? { engine: 'sqlite', path: join(data, 'resident.db') } : { engine: 'postgres', url },
    );
    const store = services ? { DATABASE_URL: url, REDIS_URL: services.redis.url } : {};
    const system = new ChaosSystem(shape, data, witness, services, store);
    await Promise.all(Array.from({ length: shape.servers }, (_, slot) => system.startServer(slot)));
    return system;
  }

  get slots(): number[] {
    return Array.from({ length: this.shape.servers }, (_, slot) => slot);
  }

  /** @throws Error if it isn't there at the moment */
  server(slot: number): ServerProcess {
    const server = this.#servers[slot];
    if (!server) throw new Error(`server ${slot} is not there`);
    return server;
  }

  /** Of a server that is there. */
  get url(): string {
    const server = this.#servers.find((one) => one !== undefined);
    if (!server) throw new Error('no server is there');
    return server.url;
  }

  /** What the servers that are there have said. */
  get output(): string {
    return this.#servers.map((server, slot) => `server ${slot}: ${server?.output ?? 'not there'}`).join('\n');
  }

  /** What the engines of a server have run since the system was started: the prompts, in order. */
  runsOf(slot: number): string[] {
    const file = this.#runLog(slot);
    return existsSync(file) ? readFileSync(file, 'utf8').split('\n').slice(0, -1) : [];
  }

  /** Grows with every run. */
  runBytesOf(slot: number): number {
    return statSync(this.#runLog(slot), { throwIfNoEntry: false })?.size ?? 0;
  }

  /** Resolves when it takes requests. */
  async startServer(slot: number): Promise<void> {
    const { engine } = this.shape;
    const server = await ServerProcess.start({
      data: this.data,
      config: 'log: {level: warn}\nbatch: {cron: null}\n',
      program: engine === 'embedded' ? 'dist/server/main.js' : 'build/test/scripted-server.js',
      env: { ...this.#store, ...this.#engineVariables(slot) },
    });
    this.#servers[slot] = server;
    const ended = failWhenEnded(server, slot);
    ended.catch((error: unknown) => {
      if (this.#servers[slot] === server) this.#failure ??= error;
    });
    await Promise.race([server.ready(), ended]);
  }

  /** @throws Error if a server has ended that nobody killed */
  check(): void {
    if (this.#failure) throw this.#failure;
  }

  /** Resolves when it is gone. */
  async killServer(slot: number): Promise<void> {
    const server = this.server(slot);
    this.#servers[slot] = undefined;
    server.signal('SIGKILL');
    await server.exited;
  }

  /** Resolves when it is gone. @returns false if there was none to kill: it was restarting */
  async killEngine(slot: number): Promise<boolean> {
    const pid = await this.server(slot).enginePid();
    if (typeof pid !== 'number' || !isAlive(pid)) return false;
    process.kill(pid, 'SIGKILL');
    await until(async () => !isAlive(pid));
    return true;
  }

  async dispose(): Promise<void> {
    await this.witness.close();
    for (const server of this.#servers.splice(0)) await server?.dispose();
    await this.services?.postgres.dispose();
    await this.services?.redis.dispose();
    rmSync(this.data, { recursive: true, force: true });
  }

  #engineVariables(slot: number): NodeJS.ProcessEnv {
    const { engine } = this.shape;
    if (engine === 'embedded') return {};
    return {
      SCRIPT_LATENCY_MS: String(engine.latencyMs),
      SCRIPT_JITTER: String(engine.jitter ?? 0),
      SCRIPT_ROWS: String(engine.rows),
      SCRIPT_RUNS: this.#runLog(slot),
    };
  }

  #runLog(slot: number): string {
    return join(this.data, `runs-${slot}.log`);
  }
}

async function failWhenEnded(server: ServerProcess, slot: number): Promise<never> {
  const { code, signal, stderr } = await server.exited;
  throw new Error(`server ${slot} ended with ${code ?? signal}: ${stderr}`);
}

async function startServices(): Promise<Services> {
  const [postgres, redis] = await Promise.all([TestPostgres.start(), TestRedis.start()]);
  return { postgres, redis };
}

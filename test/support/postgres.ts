import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { Client } from 'pg';
import { findFreePort } from '../../bench/support/free-port.js';
import {
  findProgram,
  serviceFolder,
  ServiceProcess,
  serviceUser,
  type ServiceUser,
} from './service-process.js';

const initdb = findProgram('initdb');
const postgres = findProgram('postgres');

/** Whether tests over Postgres can run here; where not they are skipped, saying `INSTALL_SERVICES`. */
export const HAS_POSTGRES = initdb !== undefined && postgres !== undefined;

/** A real Postgres on a free port, in a temporary folder. */
export class TestPostgres {
  readonly #port: number;
  readonly #folder: string;
  readonly #user: ServiceUser | undefined;
  #process: ServiceProcess;
  #databases = 0;

  private constructor(port: number, folder: string, user: ServiceUser | undefined) {
    this.#port = port;
    this.#folder = folder;
    this.#user = user;
    this.#process = this.#spawn();
  }

  static async start(): Promise<TestPostgres> {
    const user = serviceUser();
    const folder = serviceFolder('postgres', user);
    execFileSync(
      initdb as string,
      ['-D', folder, '-U', 'resident', '-A', 'trust', '-E', 'UTF8', '--no-locale', '--no-sync'],
      { stdio: 'pipe', cwd: '/', ...user },
    );
    const service = new TestPostgres(await findFreePort(), folder, user);
    await service.#answers();
    return service;
  }

  /** An empty database of its own. @returns its URL */
  async createDatabase(): Promise<string> {
    const name = `test_${++this.#databases}`;
    await this.query(`create database ${name}`);
    return this.#url(name);
  }

  /** Runs a statement in the database that is always there. */
  async query(statement: string): Promise<void> {
    const client = new Client({ connectionString: this.#url('postgres') });
    client.on('error', () => undefined);
    await client.connect();
    try {
      await client.query(statement);
    } finally {
      await client.end();
    }
  }

  /** Ends it as a crash does; `start` it again with `restart`. */
  async kill(): Promise<void> {
    await this.#process.end('SIGQUIT');
  }

  async restart(): Promise<void> {
    this.#process = this.#spawn();
    await this.#answers();
  }

  async dispose(): Promise<void> {
    await this.#process.end('SIGQUIT');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #spawn(): ServiceProcess {
    const settings = ['listen_addresses=127.0.0.1', `unix_socket_directories=${this.#folder}`];
    return new ServiceProcess(
      postgres as string,
      ['-D', this.#folder, '-p', String(this.#port), ...settings.flatMap((setting) => ['-c', setting])],
      this.#user,
    );
  }

  #answers(): Promise<void> {
    return this.#process.answers(() => this.query('select 1'));
  }

  #url(database: string): string {
    return `postgres://resident@127.0.0.1:${this.#port}/${database}`;
  }
}

import { rmSync } from 'node:fs';
import { Redis } from 'ioredis';
import { findFreePort } from '../../bench/support/free-port.js';
import { findProgram, serviceFolder, ServiceProcess } from './service-process.js';

const server = findProgram('redis-server');

/** Whether tests over Redis can run here; where not they are skipped, saying `INSTALL_SERVICES`. */
export const HAS_REDIS = server !== undefined;

/** A real Redis on a free port that keeps nothing: what was killed comes back empty. */
export class TestRedis {
  readonly url: string;
  readonly #port: number;
  readonly #folder = serviceFolder('redis', undefined);
  #process: ServiceProcess;

  private constructor(port: number) {
    this.#port = port;
    this.url = `redis://127.0.0.1:${port}`;
    this.#process = this.#spawn();
  }

  static async start(): Promise<TestRedis> {
    const service = new TestRedis(await findFreePort());
    await service.#answers();
    return service;
  }

  async kill(): Promise<void> {
    await this.#process.end('SIGKILL');
  }

  async restart(): Promise<void> {
    this.#process = this.#spawn();
    await this.#answers();
  }

  async dispose(): Promise<void> {
    await this.#process.end('SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #spawn(): ServiceProcess {
    const options = ['--port', String(this.#port), '--bind', '127.0.0.1', '--dir', this.#folder];
    return new ServiceProcess(server as string, [...options, '--save', '', '--appendonly', 'no'], undefined);
  }

  #answers(): Promise<void> {
    return this.#process.answers(async () => {
      const client = new Redis(this.url, { lazyConnect: true, retryStrategy: null, maxRetriesPerRequest: 0 });
      client.on('error', () => undefined);
      try {
        await client.connect();
        await client.ping();
      } finally {
        client.disconnect();
      }
    });
  }
}

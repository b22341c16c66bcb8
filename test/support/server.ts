import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { findFreePort } from '../../bench/support/free-port.js';
import { get } from './app.js';
import { TALES } from './models.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** What `npm start` runs. */
const PROGRAM = 'dist/server/main.js';

export interface ServerExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The built program in a process of its own, for tests that signal and kill it. */
export class ServerProcess {
  readonly url: string;
  readonly data: string;
  readonly exited: Promise<ServerExit>;
  readonly #child: ChildProcess;
  #stdout = '';
  #stderr = '';

  private constructor(port: number, data: string, env: NodeJS.ProcessEnv, program: string) {
    this.url = `http://127.0.0.1:${port}`;
    this.data = data;
    this.#child = spawn(process.execPath, [join(root, program)], {
      cwd: root,
      env: {
        PATH: process.env['PATH'],
        HOME: process.env['HOME'],
        PORT: String(port),
        RESIDENT_DATA: data,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.#child.stdout?.on('data', (chunk: Buffer) => (this.#stdout += chunk.toString()));
    this.#child.stderr?.on('data', (chunk: Buffer) => (this.#stderr += chunk.toString()));
    this.exited = once(this.#child, 'close').then(([code, signal]) => ({
      code: code as number | null,
      signal: signal as NodeJS.Signals | null,
      stdout: this.#stdout,
      stderr: this.#stderr,
    }));
  }

  /**
   * @param config YAML of a configuration overlay; one that names no models gets the story model alone, which is there sooner
   * @param program default: what `npm start` runs
   */
  static async start(
    options: { config?: string; env?: NodeJS.ProcessEnv; data?: string; program?: string } = {},
  ): Promise<ServerProcess> {
    const data = options.data ?? mkdtempSync(join(tmpdir(), 'resident-server-'));
    const env = { ...options.env };
    const { config = '' } = options;
    env['RESIDENT_CONFIG'] ??= join(data, 'config.yaml');
    writeFileSync(
      env['RESIDENT_CONFIG'],
      config.includes('models') ? config : `${config}\nmodels: [${JSON.stringify(TALES)}]\n`,
    );
    return new ServerProcess(await findFreePort(), data, env, options.program ?? PROGRAM);
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get output(): string {
    return this.#stdout + this.#stderr;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  async ready(): Promise<void> {
    await until(async () => (await get(`${this.url}/health/ready`)).status === 200);
  }

  /** Waits for a line of the log. */
  async said(text: string): Promise<void> {
    await until(async () => this.output.includes(text));
  }

  async enginePid(model = 'tales'): Promise<number> {
    const { body } = await get(`${this.url}/v1/models/${model}`);
    return (body['resident'] as { pid: number }).pid;
  }

  /** For clean-up: ends it if it still runs. */
  async dispose(): Promise<void> {
    this.signal('SIGKILL');
    await this.exited;
    rmSync(this.data, { recursive: true, force: true });
  }
}

/**
 * Polls until the condition holds; errors count as not yet. The test's own time limit ends it otherwise.
 * @param every milliseconds between two looks
 */
export async function until(condition: () => Promise<boolean>, every = 20): Promise<void> {
  while (!(await condition().catch(() => false))) await sleep(every);
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch {
    return false;
  }
  // a zombie has ended; whoever must collect it may be slow (a container's init)
  const stat = `/proc/${pid}/stat`;
  return !existsSync(stat) || !/^\d+ \(.*\) Z/.test(readFileSync(stat, 'utf8'));
}

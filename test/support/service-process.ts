import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, chmodSync, chownSync, constants, existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { execFileSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Told where a test is skipped because a program is missing. */
export const INSTALL_SERVICES = 'apt-get install postgresql redis-server';

/** Debian keeps Postgres out of the PATH. */
const POSTGRES_FOLDERS = '/usr/lib/postgresql';

/** Absolute path of a program; undefined: it isn't installed. */
export function findProgram(name: string): string | undefined {
  const versions = existsSync(POSTGRES_FOLDERS) ? readdirSync(POSTGRES_FOLDERS).toSorted().toReversed() : [];
  const folders = [
    ...versions.map((version) => join(POSTGRES_FOLDERS, version, 'bin')),
    ...(process.env['PATH'] ?? '').split(delimiter),
  ];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Whom a program runs as that refuses to run as root; undefined: as who runs the tests. */
export interface ServiceUser {
  readonly uid: number;
  readonly gid: number;
}

/** Postgres refuses root; Debian's packages make a user for it. */
export function serviceUser(): ServiceUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

/** A temporary folder that the program may write to. */
export function serviceFolder(name: string, user: ServiceUser | undefined): string {
  const folder = mkdtempSync(join(tmpdir(), `resident-${name}-`));
  chmodSync(folder, 0o700);
  if (user) chownSync(folder, user.uid, user.gid);
  return folder;
}

/** A program that a test starts, kills and starts again. */
export class ServiceProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #output = '';

  constructor(program: string, args: readonly string[], user: ServiceUser | undefined) {
    this.#child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: '/', ...user });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.on('data', (chunk: Buffer) => (this.#output += chunk.toString()));
    this.#exited = once(this.#child, 'exit');
  }

  /** Polls until it answers. @throws Error with what it said, if it ended instead */
  async answers(question: () => Promise<unknown>): Promise<void> {
    for (;;) {
      if (this.#child.exitCode !== null || this.#child.signalCode !== null)
        throw new Error(`it ended instead of starting: ${this.#output}`);
      try {
        await question();
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 30));
      }
    }
  }

  /** Resolves when it has ended. */
  async end(signal: NodeJS.Signals): Promise<void> {
    this.#child.kill(signal);
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.#exited;
  }
}

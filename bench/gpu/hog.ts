import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { atExit } from '../support/at-exit.js';

const program = fileURLToPath(new URL('hog.py', import.meta.url));

/**
 * Runs something while another process holds all of the GPU's memory that was free.
 * @returns undefined where there is no Python with PyTorch on a GPU
 */
export async function besideHog<T>(work: (heldBytes: number) => Promise<T>): Promise<T | undefined> {
  const hog = spawn('python3', [program], { stdio: ['pipe', 'pipe', 'ignore'] });
  const forget = atExit(() => hog.kill('SIGKILL'));
  const ended = once(hog, 'close').catch(() => []);
  try {
    const line = await Promise.race([once(createInterface(hog.stdout), 'line'), ended.then(() => undefined)]);
    return line === undefined ? undefined : await work(Number(line[0]));
  } finally {
    hog.kill('SIGKILL');
    await ended;
    forget();
  }
}

import { spawnSync } from 'node:child_process';

/** A driver that hangs must not hold up the load. */
const ASK_TIMEOUT_MS = 5000;

/**
 * What a program of the system prints.
 * @param timeoutMs after which it is killed
 * @returns undefined: it isn't there, fails, or doesn't come back
 */
export function askProgram(
  program: string,
  args: readonly string[] = [],
  timeoutMs = ASK_TIMEOUT_MS,
): string | undefined {
  const { status, stdout } = spawnSync(program, args, {
    encoding: 'utf8',
    timeout: timeoutMs,
    killSignal: 'SIGKILL', // it may not listen to another one
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  return status === 0 ? stdout : undefined;
}

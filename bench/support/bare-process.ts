import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { atExit } from './at-exit.js';

type Answer<Result> = { readonly result: Result } | { readonly error: string };

/** A program that runs something without a server, in a process of its own, and is asked over IPC. */
export interface BareProcess<Request, Result> {
  readonly pid: number;
  /** One at a time. */
  ask(request: Request): Promise<Result>;
  stop(): Promise<void>;
}

/** Starts a TypeScript program that calls {@link answerRequests}. It never outlives this process. */
export function startBareProcess<Request, Result>(program: URL): BareProcess<Request, Result> {
  const child = fork(fileURLToPath(program), {
    execArgv: ['--import', import.meta.resolve('tsx')],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const forget = atExit(() => child.kill('SIGKILL'));
  const ended = once(child, 'exit').then(([code, signal]): never => {
    throw new Error(`the process ended with ${code ?? signal}`);
  });
  ended.catch(() => undefined); // thrown where an answer is awaited
  return {
    pid: child.pid as number,
    async ask(request) {
      const answered = once(child, 'message') as Promise<[Answer<Result>]>;
      child.send(request as object);
      const [answer] = await Promise.race([answered, ended]);
      if ('error' in answer) throw new Error(answer.error);
      return answer.result;
    },
    async stop() {
      child.kill('SIGKILL');
      await ended.catch(() => undefined);
      forget();
    },
  };
}

/**
 * The program's side: answers one request after another, and ends with the process that asks.
 * @param answer takes what {@link BareProcess.ask} was given
 */
export function answerRequests(answer: (request: never) => Promise<unknown>): void {
  process.on('message', (request) => {
    answer(request as never).then(
      (result) => process.send?.({ result } satisfies Answer<unknown>),
      (error: unknown) =>
        process.send?.({
          error: error instanceof Error ? error.message : String(error),
        } satisfies Answer<unknown>),
    );
  });
  process.on('disconnect', () => process.exit(0));
}

import type { EngineSession } from './engine-session.js';

/** Sessions that another one has replaced: each finishes the requests that it has, and ends. */
export class RetiredSessions {
  readonly #sessions = new Set<EngineSession>();
  readonly #ending: AbortSignal;

  /** @param ending aborts when the server ends, which then ends them itself */
  constructor(ending: AbortSignal) {
    this.#ending = ending;
  }

  get all(): readonly EngineSession[] {
    return [...this.#sessions];
  }

  add(session: EngineSession): void {
    this.#sessions.add(session);
    void session
      .whenEmpty(this.#ending)
      .then(() => (this.#ending.aborted ? undefined : session.engine.stop()));
  }

  /** Its engine has ended. @returns whether it is one of these */
  left(session: EngineSession): boolean {
    return this.#sessions.delete(session);
  }
}

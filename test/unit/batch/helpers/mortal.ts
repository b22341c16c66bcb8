/** When a worker dies: at its so many-th call, before what it asks for is done, or when it is done and it doesn't learn of it. */
export interface Death {
  readonly call: number;
  readonly moment: 'before' | 'after';
}

/** Everything that a process asks of the tables and the store goes through here; when it is dead none of it is done. */
export class Mortal {
  readonly dead: Promise<void>;
  #die: () => void = () => undefined;
  #calls = 0;
  #isDead = false;

  constructor(private readonly death: Death) {
    this.dead = new Promise((resolve) => (this.#die = resolve));
  }

  /** Calls that it made. */
  get calls(): number {
    return this.#calls;
  }

  wrap = <T extends object>(part: T): T =>
    new Proxy(part, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        return (...args: unknown[]) => this.#call(() => Reflect.apply(value, target, args) as unknown);
      },
    });

  #call(call: () => unknown): unknown {
    const isLast = ++this.#calls === this.death.call;
    if (isLast && this.death.moment === 'before') this.end();
    if (this.#isDead) return refused();
    const answer = call();
    if (!(answer instanceof Promise)) return answer;
    return answer.then(
      (value: unknown) => {
        if (isLast) this.end();
        return this.#isDead ? refused() : value;
      },
      (error: unknown) => {
        if (this.#isDead) return refused();
        throw error;
      },
    );
  }

  end(): void {
    this.#isDead = true;
    this.#die();
  }
}

/** Nothing that it asks for is done any more. It is told so only that it closes its files. */
function refused(): Promise<never> {
  const refusal: Promise<never> = Promise.reject(new Error('the process is dead'));
  // who asked for a stream doesn't look at it
  refusal.catch(() => undefined);
  return refusal;
}

import { Logger } from '@nestjs/common';
import { messageOf } from '../../engine/errors.js';

/** Says once what goes wrong again and again, and once when it is over. */
export class TroubleLog {
  readonly #log: Logger;
  readonly #told = new Map<string, string>();

  constructor(name: string) {
    this.#log = new Logger(name);
  }

  /** @param what goes wrong, and will be tried again */
  failed(what: string, error: unknown): void {
    const message = messageOf(error);
    if (this.#told.get(what) === message) return;
    this.#told.set(what, message);
    this.#log.warn(`${what}: ${message}. It is tried again until it works.`);
  }

  worked(what: string): void {
    if (this.#told.delete(what)) this.#log.log(`${what}: it works again`);
  }
}

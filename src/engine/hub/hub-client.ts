import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf } from '../errors.js';
import type { HubOptions } from '../types.js';
import { PassingFailure, explainRefusal, unreachable, type Asking } from './hub-errors.js';
import type { HubSource } from './hub-source.js';

/** How requests are repeated; tests have shorter times. */
export interface HubPace {
  /** Silence that counts as a broken connection, in milliseconds. */
  readonly stallMs: number;
  /** Failures in a row without a byte in between after which it is given up. */
  readonly attempts: number;
  /** Of the first wait; each one after it is twice as long. In milliseconds. */
  readonly backoffMs: number;
  /** @param ms how long */
  readonly wait: (ms: number) => Promise<unknown>;
}

export const DEFAULT_PACE: HubPace = { stallMs: 30_000, attempts: 5, backoffMs: 500, wait: sleep };
/** However little came each time. */
const MOST_ATTEMPTS = 100;
/** Whoever asks for a longer wait is told no, in milliseconds. */
const LONGEST_WAIT_MS = 120_000;
const MOST_REDIRECTS = 5;
const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);
const PASSING: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);
/** Hosts that a Hugging Face token is made for. */
const HUB_HOSTS: ReadonlySet<string> = new Set(['huggingface.co', 'hf.co']);

/** The answer of whoever has the content, and what the hub said of it before it sent there. */
export interface HubAnswer {
  readonly response: Response;
  /** Of the hub itself. */
  readonly hubHeaders: Headers;
  /** To be called with each sign of life; after a silence the body breaks off. */
  readonly alive: () => void;
  /** Closes the connection. */
  readonly close: () => void;
}

/** Talks to the hub about one model. */
export class HubClient {
  readonly endpoint: string;
  readonly #source: HubSource;
  readonly #token: string | undefined;
  readonly #withheld: boolean;
  readonly #pace: HubPace;

  constructor(source: HubSource, options: HubOptions, pace: HubPace = DEFAULT_PACE) {
    this.endpoint = options.endpoint.replace(/\/+$/, '');
    this.#source = source;
    this.#pace = pace;
    // a mirror could keep what it is told
    const { protocol, hostname } = new URL(this.endpoint);
    const trusted = (protocol === 'https:' && HUB_HOSTS.has(hostname)) || (options.trustEndpoint ?? false);
    this.#token = trusted ? options.token : undefined;
    this.#withheld = options.token !== undefined && !trusted;
  }

  /** Of a file: `{endpoint}/{id}/resolve/{revision}/{path}`. */
  fileUrl(revision: string, path: string): string {
    const encoded = path.split('/').map(encodeURIComponent).join('/');
    return `${this.endpoint}/${this.#source.id}/resolve/${encodeURIComponent(revision)}/${encoded}`;
  }

  /** What the hub knows of a revision of the model. */
  infoUrl(revision: string): string {
    return `${this.endpoint}/api/models/${this.#source.id}/revision/${encodeURIComponent(revision)}?blobs=true`;
  }

  /** What this answer means, if it is final. */
  refusal(response: { readonly status: number; readonly headers: Headers }): Error {
    const asking: Asking = {
      source: this.#source,
      endpoint: this.endpoint,
      authorized: this.#token !== undefined,
      tokenWithheld: this.#withheld,
    };
    return explainRefusal(asking, response);
  }

  /**
   * Repeats what fails for the moment, with growing waits. Failures in a row are counted anew whenever bytes came.
   * @throws ModelLoadError `hub_unreachable` when it is given up
   */
  async persist<T>(attempt: () => Promise<T>): Promise<T> {
    let inRow = 0;
    for (let all = 1; ; all++) {
      try {
        return await attempt();
      } catch (error) {
        if (!(error instanceof PassingFailure)) throw error;
        const { retryAfterMs = 0, received = 0 } = error.details;
        inRow = received > 0 ? 1 : inRow + 1;
        if (inRow >= this.#pace.attempts || all >= MOST_ATTEMPTS || retryAfterMs > LONGEST_WAIT_MS)
          throw unreachable(this.endpoint, this.#source, error.message, error);
        // not all servers of a fleet at the same moment
        const backoff = this.#pace.backoffMs * 2 ** (inRow - 1) * (1 + Math.random() / 4);
        await this.#pace.wait(Math.max(retryAfterMs, backoff));
      }
    }
  }

  /**
   * Sends one request, and follows where it is sent. The token goes to the endpoint only.
   * @returns any answer that is final
   * @throws PassingFailure
   */
  async request(
    url: string,
    { method = 'GET', headers = {}, follow = true }: RequestOptions = {},
  ): Promise<HubAnswer> {
    const silence = new AbortController();
    const timer = setTimeout(
      () => silence.abort(new Error(`nothing came for ${this.#pace.stallMs / 1000} s`)),
      this.#pace.stallMs,
    );
    const close = (): void => {
      clearTimeout(timer);
      silence.abort();
    };
    const alive = (): void => void timer.refresh();
    try {
      let hubHeaders: Headers | undefined;
      for (let hop = 0, at = url; ; hop++) {
        const response = await fetch(at, {
          method,
          headers: { ...headers, ...this.#authorization(at), 'accept-encoding': 'identity' },
          redirect: 'manual',
          signal: silence.signal,
        });
        hubHeaders ??= response.headers.has('x-linked-etag') ? response.headers : undefined;
        const location = response.headers.get('location');
        const next = location === null || !REDIRECTS.has(response.status) ? undefined : new URL(location, at);
        const stays = next?.origin === new URL(at).origin;
        if (next === undefined || (!follow && !stays && hubHeaders))
          return {
            response: refuseToWait(response, at),
            hubHeaders: hubHeaders ?? response.headers,
            alive,
            close,
          };
        await response.body?.cancel();
        if (hop === MOST_REDIRECTS) throw new PassingFailure(`${url} sends on and on`);
        at = next.href;
      }
    } catch (error) {
      close();
      if (error instanceof PassingFailure) throw error;
      throw new PassingFailure(whyBroken(error), { cause: error });
    }
  }

  #authorization(url: string): Record<string, string> {
    return this.#token !== undefined && new URL(url).origin === new URL(this.endpoint).origin
      ? { authorization: `Bearer ${this.#token}` }
      : {};
  }
}

export interface RequestOptions {
  readonly method?: 'GET' | 'HEAD';
  readonly headers?: Readonly<Record<string, string>>;
  /** false: to ask the hub is enough where it tells what the file is. */
  readonly follow?: boolean;
}

/** @throws PassingFailure if the answer is to come back later */
function refuseToWait(response: Response, url: string): Response {
  if (!PASSING.has(response.status)) return response;
  void response.body?.cancel();
  const wait = response.headers.get('retry-after');
  const retryAfterMs = wait === null ? undefined : milliseconds(wait);
  const asks = retryAfterMs === undefined ? '' : ` and asks to wait ${Math.ceil(retryAfterMs / 1000)} s`;
  throw new PassingFailure(`${new URL(url).host} answers with status ${response.status}${asks}`, {
    retryAfterMs,
  });
}

/** @param retryAfter seconds, or a date */
function milliseconds(retryAfter: string): number | undefined {
  const ms = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : Date.parse(retryAfter) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(ms, 0);
}

/** Why there is no answer, or not all of it: a clause without a full stop. */
export function whyBroken(error: unknown): string {
  // fetch says only that it failed, and a name with several addresses that none of them answers
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const reason: unknown = cause instanceof AggregateError ? cause.errors[0] : cause;
  return (messageOf(reason) || 'the connection broke').replace(/\.$/, '');
}

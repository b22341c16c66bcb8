import { Inject, Injectable, Optional, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { Response } from 'express';
import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { BlockList } from 'node:net';
import { InvalidRequestError } from '../engine/errors.js';
import { isFromForeignPage } from './same-origin.js';

/** Injection token of what `Authorization: Bearer …` has to say; null, or no provider: callers from this machine need nothing. */
export const ADMIN_KEY = Symbol('RESIDENT_ADMIN_KEY');

/** What proxies add: whoever asks through one is not on this machine. */
const FORWARDED = ['forwarded', 'x-forwarded-for', 'x-real-ip'] as const;

/** For what only operators may do, on REST and on GraphQL. */
@Injectable()
export class AdminGuard implements CanActivate {
  readonly #key: string | null;

  constructor(@Optional() @Inject(ADMIN_KEY) key: string | null = null) {
    this.#key = key;
  }

  /** @throws InvalidRequestError `unauthorized` or `forbidden` */
  canActivate(context: ExecutionContext): boolean {
    if (context.getType<'http' | 'graphql'>() === 'graphql') {
      // parent, arguments, context, info: those of a resolver
      checkAdmin(context.getArgByIndex<{ readonly request: IncomingMessage }>(2).request, this.#key);
      return true;
    }
    const http = context.switchToHttp();
    if (this.#key !== null) http.getResponse<Response>().setHeader('WWW-Authenticate', 'Bearer');
    checkAdmin(http.getRequest<IncomingMessage>(), this.#key);
    if (this.#key !== null) http.getResponse<Response>().removeHeader('WWW-Authenticate');
    return true;
  }
}

/**
 * @param key of the configuration; null: callers from this machine need none
 * @throws InvalidRequestError `unauthorized` or `forbidden`
 */
export function checkAdmin(request: IncomingMessage, key: string | null): void {
  if (key !== null) {
    if (isSame(bearerOf(request), key)) return;
    throw new InvalidRequestError(
      'unauthorized',
      "This needs the key of the server's operator: send Authorization: Bearer with admin.key of the configuration.",
    );
  }
  if (isFromThisMachine(request)) return;
  throw new InvalidRequestError(
    'forbidden',
    'Only callers from the machine of the server may do this. Set admin.key (RESIDENT_ADMIN_KEY) to allow it from elsewhere.',
  );
}

function bearerOf({ headers: { authorization = '' } }: IncomingMessage): string {
  return /^bearer +(.*)$/i.exec(authorization)?.[1]?.trim() ?? '';
}

/** In the same time wherever they differ, and however long they are. */
function isSame(given: string, key: string): boolean {
  return timingSafeEqual(digestOf(given), digestOf(key));
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** By the address of the connection. A page in this machine's browser isn't the operator, unless it comes from here itself. */
function isFromThisMachine(request: IncomingMessage): boolean {
  if (FORWARDED.some((name) => request.headers[name] !== undefined)) return false;
  return isLoopback(request.socket.remoteAddress) && !isForeign(request);
}

function isLoopback(address: string | undefined): boolean {
  if (address === undefined) return false;
  const loopback = new BlockList();
  loopback.addSubnet('127.0.0.0', 8, 'ipv4');
  loopback.addAddress('::1', 'ipv6');
  return loopback.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
}

/** Of another origin; or of a name that its owner may have pointed at this machine. */
function isForeign(request: IncomingMessage): boolean {
  const { origin } = request.headers;
  if (origin === undefined) return false;
  if (isFromForeignPage(request)) return true;
  return !/^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(new URL(origin).hostname);
}

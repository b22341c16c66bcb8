import type { IncomingMessage } from 'node:http';

/** A header that no page can send to another origin without asking first; Apollo wants it of a GET, too. */
const PREFLIGHT_HEADER = 'apollo-require-preflight';

/** Whether a browser sends this for a page of another origin. Programs say nothing of an origin. */
export function isFromForeignPage({ headers: { origin, host } }: IncomingMessage): boolean {
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host?.toLowerCase();
}

/**
 * Whether any page could have made a browser send this GET, without reading the answer: it says neither that it comes from a
 * page of this origin, nor anything that a foreign page can't.
 */
export function mayBeForged({ headers }: IncomingMessage): boolean {
  const site = headers['sec-fetch-site'];
  return site !== 'same-origin' && site !== 'none' && !headers[PREFLIGHT_HEADER];
}

import { randomUUID } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { REQUEST_ID_HEADER } from './answer-headers.js';

/**
 * What isn't HTTP is answered in the envelope, too: Node would send a bare status. For `clientError` of an HTTP server.
 */
export function refuseUnparsable(error: Error & { readonly code?: string }, socket: Duplex): void {
  // in the middle of another answer, or nobody there: nothing to say
  if (!socket.writable || ('bytesWritten' in socket && socket.bytesWritten !== 0)) {
    socket.destroy();
    return;
  }
  socket.end(answerTo(error.code));
}

function answerTo(code: string | undefined): string {
  const [status, message] = statusOf(code);
  const body = JSON.stringify({
    error: { message, type: 'invalid_request_error', param: null, code: 'invalid_request' },
  });
  return [
    `HTTP/1.1 ${status}`,
    'Connection: close',
    'Content-Type: application/json; charset=utf-8',
    `Content-Length: ${Buffer.byteLength(body)}`,
    `${REQUEST_ID_HEADER}: ${randomUUID()}`,
    '',
    body,
  ].join('\r\n');
}

function statusOf(code: string | undefined): readonly [status: string, message: string] {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return ['431 Request Header Fields Too Large', 'The headers of the request are too large.'];
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return ['408 Request Timeout', 'The request did not arrive in time.'];
    default:
      return ['400 Bad Request', 'The request is not valid HTTP.'];
  }
}

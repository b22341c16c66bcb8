import { Writable } from 'node:stream';

/** What the runtime gives a handler to write to, and what was written. Emits `chunk` with each. */
export class ResponseStream extends Writable {
  head: unknown;
  readonly chunks: string[] = [];

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    if (chunk.length > 0) this.chunks.push(chunk.toString());
    this.emit('chunk');
    done();
  }
}

type StreamHandler = (event: unknown, stream: Writable, context?: unknown) => Promise<void>;

/** Puts into the global scope what AWS Lambda's Node.js runtime has there. */
export function installAwsLambda() {
  const scope = globalThis as { awslambda?: unknown };
  scope.awslambda = {
    streamifyResponse: (handler: StreamHandler): StreamHandler => handler,
    HttpResponseStream: {
      from(stream: ResponseStream, head: unknown): Writable {
        stream.head = head;
        return stream;
      },
    },
  };
  return {
    openStream: () => new ResponseStream(),
    uninstall: () => {
      delete scope.awslambda;
    },
  };
}

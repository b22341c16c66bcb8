import { parentPort, receiveMessageOnPort } from 'node:worker_threads';
import { toWireError } from '../errors.js';
import type { EncodingJob, FromThread, ToThread } from './protocol.js';

export type EncodeJob = (job: EncodingJob) => Int32Array<ArrayBuffer>;

/** A thread's connection to the main thread. */
export interface EncodingPort {
  /** A message that has arrived and was not taken yet. */
  take(): ToThread | undefined;
  send(message: FromThread, transfer: readonly ArrayBuffer[]): void;
}

/** The thread's side of the protocol: encodes one job after the other, in the order they came. */
export class EncodingServer {
  readonly #encode: EncodeJob;
  readonly #port: EncodingPort;
  readonly #jobs = new Map<number, EncodingJob>();

  constructor(encode: EncodeJob, port: EncodingPort) {
    this.#encode = encode;
    this.#port = port;
  }

  /** Takes a message and works until there is nothing left to do. */
  receive(message: ToThread): void {
    this.#accept(message);
    for (;;) {
      // a cancellation may be behind the job, which then isn't begun
      for (let next = this.#port.take(); next; next = this.#port.take()) this.#accept(next);
      const [first] = this.#jobs;
      if (!first) return;
      this.#run(...first);
    }
  }

  #accept(message: ToThread): void {
    switch (message.type) {
      case 'encode':
        this.#jobs.set(message.id, message.job);
        return;
      case 'cancel':
        this.#jobs.delete(message.id);
        return;
      default:
        message satisfies never;
    }
  }

  #run(id: number, job: EncodingJob): void {
    this.#jobs.delete(id);
    try {
      const tokens = this.#encode(job);
      this.#port.send({ type: 'encoded', id, tokens }, [tokens.buffer]);
    } catch (error) {
      this.#port.send({ type: 'failed', id, error: toWireError(error) }, []);
    }
  }
}

/** Makes this worker thread a tokenizer thread. Call it when jobs can be taken. */
export function serveMainThread(encode: EncodeJob): void {
  if (!parentPort) throw new Error('Not a worker thread.');
  const port = parentPort;
  const send: EncodingPort['send'] = (message, transfer) => port.postMessage(message, transfer);
  const take: EncodingPort['take'] = () => receiveMessageOnPort(port)?.message as ToThread | undefined;
  const server = new EncodingServer(encode, { take, send });
  send({ type: 'ready' }, []);
  port.on('message', (message: ToThread) => server.receive(message));
}

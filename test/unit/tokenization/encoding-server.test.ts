import { describe, expect, it } from 'vitest';
import { InvalidRequestError } from '../../../src/engine/errors.js';
import { EncodingServer } from '../../../src/engine/tokenization/encoding-server.js';
import type { FromThread, ToThread } from '../../../src/engine/tokenization/protocol.js';

/** A server whose job `n` has one token, n. `arrives` are the messages that are there when job 1 is done. */
function scripted({ arrives = [] }: { arrives?: ToThread[] } = {}) {
  const encoded: string[] = [];
  const sent: FromThread[] = [];
  const transferred: ArrayBuffer[] = [];
  const waiting: ToThread[] = [];
  const server = new EncodingServer(
    (job) => {
      if (job.kind !== 'text')
        throw new InvalidRequestError('invalid_value', 'no chats', { param: 'messages' });
      encoded.push(job.text);
      if (job.text === '1') waiting.push(...arrives);
      return Int32Array.of(Number(job.text));
    },
    {
      take: () => waiting.shift(),
      send: (message, transfer) => {
        sent.push(message);
        transferred.push(...transfer);
      },
    },
  );
  return { server, encoded, sent, transferred, waiting };
}

function encode(id: number): ToThread {
  return { type: 'encode', id, job: { kind: 'text', text: String(id), special: true } };
}

describe('EncodingServer', () => {
  it('answers each job with its tokens, in the order they came, and gives their memory away', () => {
    const { server, sent, transferred } = scripted({ arrives: [encode(2), encode(3)] });
    server.receive(encode(1));
    expect(sent).toEqual([1, 2, 3].map((id) => ({ type: 'encoded', id, tokens: Int32Array.of(id) })));
    expect(transferred).toEqual(sent.map((message) => message.type === 'encoded' && message.tokens.buffer));
  });

  it('does not begin what was cancelled meanwhile', () => {
    const { server, encoded } = scripted({ arrives: [encode(2), encode(3), { type: 'cancel', id: 2 }] });
    server.receive(encode(1));
    expect(encoded).toEqual(['1', '3']);
  });

  it('looks for a cancellation before it begins the first', () => {
    const { server, encoded, waiting } = scripted();
    waiting.push({ type: 'cancel', id: 1 });
    server.receive(encode(1));
    expect(encoded).toEqual([]);
  });

  it('ignores the cancellation of what is done', () => {
    const { server, encoded } = scripted({ arrives: [{ type: 'cancel', id: 1 }, encode(2)] });
    server.receive(encode(1));
    expect(encoded).toEqual(['1', '2']);
  });

  it('goes on after a job that failed', () => {
    const chat: ToThread = { type: 'encode', id: 2, job: { kind: 'chat', messages: [] } };
    const { server, sent } = scripted({ arrives: [chat, encode(3)] });
    server.receive(encode(1));
    expect(sent.map(({ type }) => type)).toEqual(['encoded', 'failed', 'encoded']);
    expect(sent[1]).toMatchObject({
      id: 2,
      error: { code: 'invalid_value', message: 'no chats', param: 'messages' },
    });
  });
});

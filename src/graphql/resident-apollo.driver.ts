import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Injectable, Logger } from '@nestjs/common';
import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { WebSocket, WebSocketServer } from 'ws';
import { isFromForeignPage } from '../transport/same-origin.js';
import { answerWithoutUpgrade } from '../transport/without-upgrade.js';

export interface ResidentApolloDriverConfig extends ApolloDriverConfig {
  /** Largest message over a WebSocket, in bytes. */
  readonly maxMessageBytes: number;
}

type OnUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer) => void;

/** Nest's driver, and what it has no options for: limits of its WebSocket server, and answers to all other upgrades. */
@Injectable()
export class ResidentApolloDriver extends ApolloDriver {
  readonly #log = new Logger('WebSocket');

  override async start(options: ResidentApolloDriverConfig): Promise<void> {
    const server: Server = this.httpAdapterHost.httpAdapter.getHttpServer();
    const others = server.listeners('upgrade');
    await super.start(options);
    const sockets = this['_subscriptionService']?.['wss'] as WebSocketServer;
    this.#limit(sockets, options.maxMessageBytes);
    // Nest's listener leaves every other path unanswered, for ever
    for (const listener of server.listeners('upgrade'))
      if (!others.includes(listener)) server.off('upgrade', listener as OnUpgrade);
    server.on('upgrade', (request, socket, head) => {
      if (isWebSocket(request) && sockets.shouldHandle(request))
        sockets.handleUpgrade(request, socket, head, (client) => sockets.emit('connection', client, request));
      // unless the application has gateways of its own
      else if (server.listenerCount('upgrade') === 1) answerWithoutUpgrade(server, request, socket, head);
    });
  }

  #limit(sockets: WebSocketServer, maxPayload: number): void {
    Object.assign(sockets.options, {
      maxPayload,
      verifyClient: (
        { req }: { readonly req: IncomingMessage },
        done: (isWelcome: boolean, status: number, message: string) => void,
      ) => done(!isFromForeignPage(req), 403, 'Pages of other origins may not connect.'),
    } satisfies WebSocketServer['options']);
    sockets.on('connection', (socket: WebSocket) => {
      // graphql-ws would print what clients do wrong to stderr, as a fault of the server; ws has closed the socket already
      socket.removeAllListeners('error');
      socket.on('error', ({ message }) => this.#log.debug(`a client was disconnected: ${message}`));
    });
  }
}

function isWebSocket({ method, headers }: IncomingMessage): boolean {
  return method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket';
}

import { Module, type MiddlewareConsumer, type NestModule, type OnModuleInit } from '@nestjs/common';
import { APP_FILTER, APP_PIPE, HttpAdapterHost } from '@nestjs/core';
import type { ExpressAdapter } from '@nestjs/platform-express';
import type { Request, Response } from 'express';
import type { Server } from 'node:http';
import { trackRequest } from './answer-headers.js';
import { InFlightResponses } from './in-flight-responses.js';
import { refuseUnparsable } from './refuse-unparsable.js';
import { ResidentExceptionFilter } from './resident-exception.filter.js';
import { validationPipe } from './validation.js';

/** How long a request may take to arrive, in milliseconds: Node's five minutes are little for a file over a slow line. */
const LONGEST_REQUEST_MS = 3_600_000;

/** What every door shares: ids and times, validation, errors, and an orderly end. */
@Module({
  providers: [
    InFlightResponses,
    { provide: APP_FILTER, useClass: ResidentExceptionFilter },
    { provide: APP_PIPE, useFactory: validationPipe },
  ],
})
export class TransportModule implements NestModule, OnModuleInit {
  readonly #host: HttpAdapterHost<ExpressAdapter>;

  constructor(host: HttpAdapterHost<ExpressAdapter>) {
    this.#host = host;
  }

  /** Not a middleware of Nest: those come after the body parser, which answers what it can't read itself. */
  onModuleInit(): void {
    this.#host.httpAdapter.setOnRequestHook((request: Request, response: Response, done) => {
      trackRequest(request, response);
      done();
    });
    // Express would hash every answer, vectors and all, for caches that none of them may go into
    this.#host.httpAdapter.getInstance().disable('etag');
    const server: Server = this.#host.httpAdapter.getHttpServer();
    server.on('clientError', refuseUnparsable);
    server.requestTimeout = LONGEST_REQUEST_MS;
  }

  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(InFlightResponses).forRoutes('{*all}');
  }
}

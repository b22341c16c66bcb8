import { Module, type MiddlewareConsumer, type NestModule } from '@nestjs/common';
import { APP_FILTER, APP_PIPE } from '@nestjs/core';
import { InFlightResponses } from './in-flight-responses.js';
import { ResidentExceptionFilter } from './resident-exception.filter.js';
import { validationPipe } from './validation.js';

/** What every door shares: validation, errors, and an orderly end. */
@Module({
  providers: [
    InFlightResponses,
    { provide: APP_FILTER, useClass: ResidentExceptionFilter },
    { provide: APP_PIPE, useFactory: validationPipe },
  ],
})
export class TransportModule implements NestModule {
  configure(consumer: MiddlewareConsumer): void {
    consumer.apply(InFlightResponses).forRoutes('{*all}');
  }
}

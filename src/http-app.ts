import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import type { LoadedConfig } from './config/load-config.js';
import { ResidentLogger } from './logger.js';
import { jsonBodyOptions } from './transport/check-body.js';

/** The HTTP application of a root module, not initialised yet: `listen()` or `init()` loads the models. */
export async function createHttpApp(
  module: DynamicModule,
  { log, server }: Pick<LoadedConfig, 'log' | 'server'>,
): Promise<NestExpressApplication> {
  const app = await NestFactory.create<NestExpressApplication>(module, {
    logger: new ResidentLogger(log.level),
    abortOnError: false,
    bodyParser: false,
    // the drain has let answers end by then; what is left are idle keep-alive connections
    forceCloseConnections: true,
  });
  app.disable('x-powered-by');
  app.useBodyParser('json', jsonBodyOptions(server.bodyLimit));
  return app;
}

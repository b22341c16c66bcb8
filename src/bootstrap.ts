import type { INestApplicationContext } from '@nestjs/common';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { AppModule, type AppOptions } from './app.module.js';
import { createHttpApp } from './http-app.js';

/** The HTTP application, not initialised yet: `listen()` or `init()` loads the models. */
export async function createApp(config: AppOptions): Promise<NestExpressApplication> {
  const app = await createHttpApp(AppModule.forRoot(config), config);
  endOnSignals(app);
  return app;
}

/** The first SIGTERM or SIGINT drains and exits with 0; a second one doesn't wait. */
export function endOnSignals(app: INestApplicationContext): void {
  app.enableShutdownHooks(['SIGTERM', 'SIGINT'], { useProcessExit: true });
  let signals = 0;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (++signals > 1) process.exit(1); // engines end with their IPC channel
    });
  }
}

import type { NestExpressApplication } from '@nestjs/platform-express';
import type { LoadedConfig } from '../config/load-config.js';
import { createHttpApp } from '../http-app.js';
import { LambdaAppModule } from './lambda-app.module.js';

/** The application, with its models loaded. It listens nowhere. */
export async function createLambdaApp(config: LoadedConfig): Promise<NestExpressApplication> {
  const app = await createHttpApp(LambdaAppModule.forRoot(config), config);
  try {
    return await app.init();
  } catch (error) {
    // what did load isn't kept beside that of the next attempt
    await app.close().catch(() => undefined);
    throw error;
  }
}

import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { createApp } from './bootstrap.js';
import { explainStartFailure } from './cli/explain.js';
import { loadConfig } from './config/load-config.js';
import { ResidentError } from './engine/errors.js';

/**
 * Starts the server: resolves when it takes requests. A start that fails prints one sentence and exits with 1.
 * @param onSignalsHandled from here on a signal ends the application in order
 */
export async function serve(onSignalsHandled: () => void): Promise<void> {
  try {
    await start(onSignalsHandled);
  } catch (error) {
    // a signal came while the model loaded: the shutdown is under way and ends the process
    if (error instanceof ResidentError && error.code === 'server_draining') return;
    process.stderr.write(`resident: ${explainStartFailure(error)}\n`);
    process.exit(1);
  }
}

async function start(onSignalsHandled: () => void): Promise<void> {
  const config = loadConfig();
  const { host, port } = config.server;
  const app = await createApp(config);
  onSignalsHandled();
  await app.listen(port, host);
  const url = await app.getUrl();
  const names = config.models.map(({ name }) => name).join(', ');
  new Logger('Resident').log(
    `serving ${names} at ${url}: REST ${url}/v1, GraphQL ${url}/graphql, inbox ${config.batch.inbox}`,
  );
}

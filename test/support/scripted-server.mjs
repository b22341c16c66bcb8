// The built server over the scripted engine: what `npm start` runs, but for the model. It runs as build/test/scripted-server.js.
import 'reflect-metadata';
import { fileURLToPath } from 'node:url';
import { createApp } from '../../dist/bootstrap.js';
import { loadConfig } from '../../dist/config/load-config.js';

const config = loadConfig();
const engineEntry = fileURLToPath(new URL('../../test/support/scripted-engine.mjs', import.meta.url));
const app = await createApp({ ...config, engineEntry });
await app.listen(config.server.port, config.server.host);
process.stdout.write(`serving at ${await app.getUrl()}\n`);

// The built server over models that live in its own process and answer at once: what a line costs besides the model.
import 'reflect-metadata';
import { Test } from '@nestjs/testing';
import { AppModule } from '../../dist/app.module.js';
import { loadConfig } from '../../dist/config/load-config.js';
import { ResidentLogger } from '../../dist/logger.js';
import { ModelProvider } from '../../dist/model/model.provider.js';
import { jsonBodyOptions } from '../../dist/transport/check-body.js';

const INSTANCE = 'fake';

/** Answers a prompt with its length and itself, one turn of the event loop later. */
class FakeModels extends ModelProvider {
  #turn;

  async onModuleInit() {}

  async whenLoaded() {}

  describeAll() {
    return super.describeAll().map((model) => ({ ...model, state: 'ready' }));
  }

  describe(name) {
    return { ...super.describe(name), state: 'ready' };
  }

  async *generate({ prompt, maxTokens = 16 }) {
    this.#turn ??= new Promise((resolve) => {
      setImmediate(() => {
        this.#turn = undefined;
        resolve();
      });
    });
    await this.#turn;
    yield { type: 'start', instanceId: INSTANCE, promptTokens: 3 };
    const text = ` ${prompt.text.length}:${prompt.text}`.slice(0, maxTokens);
    const usage = { promptTokens: 3, cachedTokens: 0, completionTokens: 1 };
    yield { type: 'finish', finishReason: 'length', text, usage };
  }
}

const config = loadConfig();
const { models, hub, server } = config;
const fakes = new FakeModels({ models, hub, drainSeconds: server.drainSeconds });
const module = await Test.createTestingModule({ imports: [AppModule.forRoot(config)] })
  .overrideProvider(ModelProvider)
  .useValue(fakes)
  .setLogger(new ResidentLogger(config.log.level))
  .compile();
const app = module.createNestApplication({ bodyParser: false, forceCloseConnections: true });
app.useBodyParser('json', jsonBodyOptions(server.bodyLimit));
app.enableShutdownHooks(['SIGTERM'], { useProcessExit: true });
await app.listen(server.port, server.host);

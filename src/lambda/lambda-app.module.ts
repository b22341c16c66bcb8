import { Module, type DynamicModule } from '@nestjs/common';
import type { LoadedConfig } from '../config/load-config.js';
import { EncodersModule } from '../encoders/encoders.module.js';
import { HealthModule } from '../health/health.module.js';
import type { ResidentModelOptions } from '../model/model-options.interface.js';
import { ModelModule } from '../model/model.module.js';
import { OpenAiModule } from '../openai/openai.module.js';
import { TransportModule } from '../transport/transport.module.js';

/**
 * What of the application a function serves: the models, in this process, behind REST. Not files, batches and schedules, whose work
 * goes on between requests and whose tables outlive a process; not GraphQL and the pages for browsers, which would be imported in
 * every cold start.
 */
@Module({})
export class LambdaAppModule {
  static forRoot({ models, hub }: Pick<LoadedConfig, 'models' | 'hub'>): DynamicModule {
    return {
      module: LambdaAppModule,
      imports: [
        // nothing drains: an environment ends when no invocation is under way
        ModelModule.forRoot({ models: models.map(kept), hub, drainSeconds: 0, engine: 'in-process' }),
        TransportModule,
        HealthModule,
        OpenAiModule,
        EncodersModule,
      ],
    };
  }
}

/** Time stands still between invocations, and then has passed all at once: a model would be given back just when it is asked. */
function kept(model: ResidentModelOptions): ResidentModelOptions {
  return { ...model, keepAlive: 'always' };
}

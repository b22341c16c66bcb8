import { Module, type DynamicModule } from '@nestjs/common';
import { BatchModule } from './batch/batch.module.js';
import { batchOptions } from './config/batch-options.js';
import { bytesOf } from './config/config.schema.js';
import type { LoadedConfig } from './config/load-config.js';
import { EncodersModule } from './encoders/encoders.module.js';
import { GraphqlApiModule } from './graphql/graphql-api.module.js';
import { HealthModule } from './health/health.module.js';
import type { ModelModuleOptions } from './model/model-options.interface.js';
import { ModelModule } from './model/model.module.js';
import { MetricsModule } from './metrics/metrics.module.js';
import { OpenAiModule } from './openai/openai.module.js';
import { OpenApiModule } from './openapi/openapi.module.js';
import { ResidencyModule } from './residency/residency.module.js';
import { TransportModule } from './transport/transport.module.js';

export type AppOptions = LoadedConfig & Pick<ModelModuleOptions, 'engineEntry'>;

/** The whole application: resident models, and the three doors to them. */
@Module({})
export class AppModule {
  static forRoot(config: AppOptions): DynamicModule {
    const { models, hub, server, graphql, engineEntry } = config;
    return {
      module: AppModule,
      imports: [
        // the models, loaded once; everything below injects the same ModelProvider
        ModelModule.forRoot({
          models,
          hub,
          drainSeconds: server.drainSeconds,
          ...(engineEntry === undefined ? {} : { engineEntry }),
        }),
        // what the doors share: validation, errors, orderly shutdown
        TransportModule,
        HealthModule,
        // what keeping the models resident costs and saves
        ResidencyModule.forRoot(config.residency),
        ...(config.metrics.enabled ? [MetricsModule] : []),
        // REST, GraphQL, scheduled batches
        OpenAiModule,
        EncodersModule,
        OpenApiModule,
        GraphqlApiModule.forRoot({
          ...graphql,
          batches: true,
          residency: true,
          maxMessageBytes: bytesOf(server.bodyLimit),
        }),
        BatchModule.forRoot(batchOptions(config)),
      ],
    };
  }
}

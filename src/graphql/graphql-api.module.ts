import { Module, type DynamicModule } from '@nestjs/common';
import { GraphQLModule } from '@nestjs/graphql';
import type { Response } from 'express';
import { BatchesResolver } from './batches.resolver.js';
import { ClassifyResolver } from './classify.resolver.js';
import { DetokenizeResolver } from './detokenize.resolver.js';
import { EmbedResolver } from './embed.resolver.js';
import { ExplorerController } from './explorer/explorer.controller.js';
import { FilesResolver } from './files.resolver.js';
import { GenerateResolver } from './generate.resolver.js';
import { httpContext, type GraphqlContext } from './graphql-context.js';
import {
  DEFAULT_GRAPHQL_LIMITS,
  keepLimitCodes,
  limitRules,
  OperationCheck,
  type GraphqlLimits,
} from './limits.js';
import { ModelsResolver } from './models.resolver.js';
import { refuseSubscriptions } from './refuse-subscriptions.plugin.js';
import { RerankResolver } from './rerank.resolver.js';
import { ResidencyResolver } from './residency.resolver.js';
import { ResidentApolloDriver, type ResidentApolloDriverConfig } from './resident-apollo.driver.js';
import { SchedulesResolver } from './schedules.resolver.js';
import { StreamController } from './stream.controller.js';
import { TokenizeResolver } from './tokenize.resolver.js';
import { webSocketOptions } from './web-socket.js';

export interface GraphqlApiOptions extends Partial<GraphqlLimits> {
  readonly introspection: boolean;
  /** Whether browsers that open `/graphql` get a page to try operations with. Default: true. */
  readonly explorer?: boolean;
  /** Whether files, batches and schedules are there, too: needs `BatchModule`. Default: false. */
  readonly batches?: boolean;
  /** Whether what residency saves is there, too: needs `ResidencyModule`. Default: false. */
  readonly residency?: boolean;
  /** Largest message over a WebSocket, in bytes. Default: 10 MiB. */
  readonly maxMessageBytes?: number;
}

const MAX_MESSAGE_BYTES = 10 * 2 ** 20;

/**
 * The GraphQL API at `/graphql`: HTTP, graphql-ws, and server-sent events at `/graphql/stream`; one schema, one context
 * and the same limits on all of them. Needs `ModelModule`.
 */
@Module({})
export class GraphqlApiModule {
  static forRoot({
    introspection,
    explorer = true,
    batches = false,
    residency = false,
    maxMessageBytes = MAX_MESSAGE_BYTES,
    ...options
  }: GraphqlApiOptions): DynamicModule {
    const limits = { ...DEFAULT_GRAPHQL_LIMITS, ...options };
    const check = new OperationCheck(limits, { introspection });
    return {
      module: GraphqlApiModule,
      imports: [
        GraphQLModule.forRoot<ResidentApolloDriverConfig>({
          ...driverConfig(limits, introspection, check),
          maxMessageBytes,
        }),
      ],
      // before Apollo, which takes everything below its path
      controllers: explorer ? [StreamController, ExplorerController] : [StreamController],
      providers: [
        { provide: OperationCheck, useValue: check },
        GenerateResolver,
        EmbedResolver,
        ClassifyResolver,
        RerankResolver,
        TokenizeResolver,
        DetokenizeResolver,
        ModelsResolver,
        ...(residency ? [ResidencyResolver] : []),
        ...(batches ? [FilesResolver, BatchesResolver, SchedulesResolver] : []),
      ],
    };
  }
}

function driverConfig(
  limits: GraphqlLimits,
  introspection: boolean,
  check: OperationCheck,
): Omit<ResidentApolloDriverConfig, 'maxMessageBytes'> {
  return {
    driver: ResidentApolloDriver,
    path: '/graphql',
    autoSchemaFile: true,
    // Apollo checks the schema that is made of this one
    buildSchemaOptions: { skipCheck: true },
    introspection,
    graphiql: false, // it loads from a CDN
    includeStacktraceInErrorResponses: false,
    allowBatchedHttpRequests: false, // each would have limits of its own
    validationRules: limitRules(limits),
    parseOptions: { maxTokens: limits.maxTokens },
    formatError: keepLimitCodes,
    plugins: [refuseSubscriptions],
    context: ({ res }: { res: Response }): GraphqlContext => httpContext(res),
    subscriptions: { 'graphql-ws': webSocketOptions(check) },
    // Apollo's own drain would hold the shutdown while a stream is open; ours lets streams end first
    stopOnApplicationShutdown: true,
  };
}

import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Module, type DynamicModule } from '@nestjs/common';
import { GraphQLModule } from '@nestjs/graphql';
import type { Response } from 'express';
import { ClassifyResolver } from './classify.resolver.js';
import { DetokenizeResolver } from './detokenize.resolver.js';
import { EmbedResolver } from './embed.resolver.js';
import { ExplorerController } from './explorer/explorer.controller.js';
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
import { StreamController } from './stream.controller.js';
import { TokenizeResolver } from './tokenize.resolver.js';
import { webSocketOptions } from './web-socket.js';

export interface GraphqlApiOptions extends Partial<GraphqlLimits> {
  readonly introspection: boolean;
  /** Whether browsers that open `/graphql` get a page to try operations with. Default: true. */
  readonly explorer?: boolean;
}

/**
 * The GraphQL API at `/graphql`: HTTP, graphql-ws, and server-sent events at `/graphql/stream`; one schema, one context
 * and the same limits on all of them. Needs `ModelModule`.
 */
@Module({})
export class GraphqlApiModule {
  static forRoot({ introspection, explorer = true, ...options }: GraphqlApiOptions): DynamicModule {
    const limits = { ...DEFAULT_GRAPHQL_LIMITS, ...options };
    const check = new OperationCheck(limits, { introspection });
    return {
      module: GraphqlApiModule,
      imports: [GraphQLModule.forRoot<ApolloDriverConfig>(driverConfig(limits, introspection, check))],
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
      ],
    };
  }
}

function driverConfig(
  limits: GraphqlLimits,
  introspection: boolean,
  check: OperationCheck,
): ApolloDriverConfig {
  return {
    driver: ApolloDriver,
    path: '/graphql',
    autoSchemaFile: true,
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

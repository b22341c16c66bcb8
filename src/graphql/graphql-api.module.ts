import { ApolloDriver, type ApolloDriverConfig } from '@nestjs/apollo';
import { Module, type DynamicModule } from '@nestjs/common';
import { GraphQLModule } from '@nestjs/graphql';
import { GenerateResolver } from './generate.resolver.js';
import { ModelsResolver } from './models.resolver.js';

export interface GraphqlApiOptions {
  readonly introspection: boolean;
}

/** The GraphQL API at `/graphql`: HTTP, and graphql-ws for subscriptions. Needs `ModelModule`. */
@Module({})
export class GraphqlApiModule {
  static forRoot({ introspection }: GraphqlApiOptions): DynamicModule {
    const driver = GraphQLModule.forRoot<ApolloDriverConfig>({
      driver: ApolloDriver,
      path: '/graphql',
      autoSchemaFile: true,
      introspection,
      graphiql: false, // it loads from a CDN
      includeStacktraceInErrorResponses: false,
      subscriptions: { 'graphql-ws': true },
      // Apollo's own drain would hold the shutdown while a stream is open; ours lets streams end first
      stopOnApplicationShutdown: true,
    });
    return { module: GraphqlApiModule, imports: [driver], providers: [GenerateResolver, ModelsResolver] };
  }
}

import { GraphQLError, type DocumentNode, type GraphQLSchema } from 'graphql';
import { socketContext, type GraphqlContext, type SocketExtra } from './graphql-context.js';
import { withInputCodes, type OperationCheck } from './limits.js';

interface Connection {
  readonly extra: unknown;
}

/** Options of graphql-ws: the checks of HTTP, and an end for everything that a closed connection asked for. */
export function webSocketOptions(check: OperationCheck) {
  return {
    /** A syntax error is an error of its operation; thrown by the parser it would close the connection. */
    onSubscribe(
      _connection: Connection,
      _id: string,
      { query }: { readonly query: string },
    ): readonly GraphQLError[] | undefined {
      const parsed = check.parse(query);
      return parsed instanceof GraphQLError ? [parsed] : undefined;
    },
    validate: (schema: GraphQLSchema, document: DocumentNode): readonly GraphQLError[] =>
      check.validate(schema, document),
    onOperation: <Result>(
      _connection: Connection,
      _id: string,
      _payload: object,
      _args: object,
      result: Result,
    ) => withInputCodes(result),
    context: ({ extra }: Connection): GraphqlContext => socketContext(extra as SocketExtra),
    onClose({ extra }: Connection): void {
      (extra as SocketExtra).closed?.abort();
    },
  };
}

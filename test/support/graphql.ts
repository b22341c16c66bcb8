import { createClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { post, type JsonAnswer } from './app.js';

export function query(url: string, text: string, variables: object = {}): Promise<JsonAnswer> {
  return post(`${url}/graphql`, { query: text, variables });
}

/** Runs a subscription over graphql-ws to its end, or until `onItem` says false. */
export async function subscribe<T>(
  url: string,
  text: string,
  variables: Record<string, unknown>,
  onItem: (item: T) => boolean | void = () => undefined,
): Promise<T[]> {
  const client = createClient({
    url: `${url.replace('http', 'ws')}/graphql`,
    webSocketImpl: WebSocket,
    retryAttempts: 0,
  });
  const items: T[] = [];
  try {
    for await (const { data, errors } of client.iterate<T>({ query: text, variables })) {
      if (errors) throw errors[0];
      items.push(data as T);
      if (onItem(data as T) === false) break;
    }
  } catch (error) {
    throw Array.isArray(error) ? error[0] : error;
  } finally {
    await client.dispose();
  }
  return items;
}

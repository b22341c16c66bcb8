import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { AlbAdapter, ApiGatewayV1Adapter, ApiGatewayV2Adapter } from '@h4ad/serverless-adapter/adapters/aws';
import type { AdapterContract, AdapterRequest } from '@h4ad/serverless-adapter';
import { endToEnd } from './local-connection.js';

/** What a function answers an HTTP event with; which of these fields there are depends on the kind of event. */
export interface LambdaResult {
  readonly statusCode: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly multiValueHeaders?: Readonly<Record<string, readonly string[]>>;
  readonly cookies?: readonly string[];
  readonly body: string;
  /** Whether `body` is base64: it is where the answer isn't text. */
  readonly isBase64Encoded: boolean;
}

/** An answer as it came from the server. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

/** Each kind of event has one, and they don't share any of their types. */
type Adapter = AdapterContract<unknown, unknown, unknown>;

/** Translates between the HTTP events of AWS Lambda, of any kind, and HTTP. */
export class HttpEvents {
  /** ALB's first: the one for REST APIs takes some of its events for its own. */
  readonly #adapters = [new AlbAdapter(), new ApiGatewayV2Adapter(), new ApiGatewayV1Adapter()] as Adapter[];

  /** @throws TypeError if it isn't an event of HTTP */
  request(event: unknown): AdapterRequest {
    return this.#adapterOf(event).getRequest(event, undefined, SILENT);
  }

  /** @throws TypeError if it isn't an event of HTTP */
  result(event: unknown, { status, headers, body }: HttpAnswer): LambdaResult {
    const isText = isUtf8(body);
    return this.#adapterOf(event).getResponse({
      event,
      statusCode: status,
      headers: endToEnd(headers),
      body: body.toString(isText ? 'utf8' : 'base64'),
      isBase64Encoded: !isText,
      log: SILENT,
    }) as LambdaResult;
  }

  #adapterOf(event: unknown): Adapter {
    const adapter = this.#adapters.find((one) => one.canHandle(event, undefined, SILENT));
    if (adapter) return adapter;
    throw new TypeError(
      "This is not an HTTP event of AWS Lambda. Invoke the function through a function URL, an API Gateway or a load balancer's target group.",
    );
  }
}

const nothing = (): void => undefined;
/** What the adapters may log to: events hold what people say. */
const SILENT = {
  info: nothing,
  debug: nothing,
  verbose: nothing,
  warn: nothing,
  error: nothing,
};

/** HTTP events as AWS Lambda gets them, with the fields that its documentation shows. */

export interface EventRequest {
  readonly method?: string;
  readonly path: string;
  readonly query?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is sent as JSON. */
  readonly body?: unknown;
  readonly base64?: boolean;
  readonly cookies?: readonly string[];
}

function bodyOf({ body, base64 = false }: EventRequest): { body: string | null; isBase64Encoded: boolean } {
  if (body === undefined) return { body: null, isBase64Encoded: false };
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { body: base64 ? Buffer.from(text).toString('base64') : text, isBase64Encoded: base64 };
}

function headersOf({ headers = {}, body }: EventRequest): Record<string, string> {
  return {
    host: 'abc.lambda-url.eu-central-1.on.aws',
    'x-forwarded-for': '203.0.113.7',
    ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    ...headers,
  };
}

/** Of function URLs and HTTP APIs, payload format 2.0. */
export function eventV2(request: EventRequest): object {
  const { method = 'POST', path, query = '', cookies } = request;
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: path,
    rawQueryString: query,
    ...(cookies === undefined ? {} : { cookies }),
    headers: headersOf(request),
    requestContext: {
      accountId: 'anonymous',
      requestId: '0e1e6b1c-7f0b-4e4c-9a53-1f3f6a1a0f10',
      stage: '$default',
      http: { method, path, protocol: 'HTTP/1.1', sourceIp: '203.0.113.7', userAgent: 'test' },
    },
    ...bodyOf(request),
  };
}

/** Of REST APIs, payload format 1.0. */
export function eventV1(request: EventRequest): object {
  const { method = 'POST', path } = request;
  const headers = headersOf(request);
  return {
    resource: '/{proxy+}',
    path,
    httpMethod: method,
    headers,
    multiValueHeaders: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value]])),
    queryStringParameters: null,
    multiValueQueryStringParameters: null,
    pathParameters: null,
    stageVariables: null,
    requestContext: { stage: 'prod', requestId: 'r-1', identity: { sourceIp: '203.0.113.7' } },
    ...bodyOf(request),
  };
}

/** Of the target group of an application load balancer. */
export function eventAlb(request: EventRequest): object {
  const { method = 'POST', path } = request;
  return {
    requestContext: {
      elb: { targetGroupArn: 'arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/a/b' },
    },
    httpMethod: method,
    path,
    queryStringParameters: {},
    headers: headersOf(request),
    ...bodyOf(request),
  };
}

import { Global, Module, type DynamicModule, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import type { NestExpressApplication } from '@nestjs/platform-express';
import {
  EncodersModule,
  HealthModule,
  MetricsModule,
  ModelProvider,
  OpenAiModule,
  OpenApiModule,
  ResidencyModule,
  TransportModule,
  type CallOptions,
  type ClassificationRequest,
  type ClassificationResult,
  type DetokenizeRequest,
  type DetokenizeResult,
  type EmbeddingRequest,
  type EmbeddingResult,
  type ForModel,
  type RerankRequest,
  type RerankResult,
  type TokenizeRequest,
  type TokenizeResult,
} from '../../src/index.js';
import { jsonBodyOptions } from '../../src/transport/check-body.js';
import { FakeModels, INSTANCE, PRICES } from './fake-models.js';

const FACTS = { instanceId: INSTANCE, timing: { queueMs: 1.25, inferenceMs: 20 } };

/** What it was asked, by call. */
export interface FakeCall {
  readonly kind: 'embed' | 'classify' | 'rerank' | 'tokenize' | 'detokenize';
  readonly request: object;
  readonly options: CallOptions;
}

/** Answers every call of an encoder with made-up numbers, and keeps what it was asked. */
export class FakeEncoders extends FakeModels {
  readonly calls: FakeCall[] = [];
  /** Thrown by the next calls. */
  failure: Error | undefined;
  /** What the next calls wait for. */
  hold: Promise<void> | undefined;

  async embed(request: ForModel<EmbeddingRequest>, options: CallOptions): Promise<EmbeddingResult> {
    await this.#take({ kind: 'embed', request, options });
    const length = Math.min(request.dimensions ?? 4, 4);
    const embeddings = request.inputs.map((_, i) =>
      Float32Array.from({ length }, (__, j) => (i + 1) / 8 - j / 3),
    );
    return { ...FACTS, embeddings, promptTokens: 3 * request.inputs.length };
  }

  async classify(
    request: ForModel<ClassificationRequest>,
    options: CallOptions,
  ): Promise<ClassificationResult> {
    await this.#take({ kind: 'classify', request, options });
    const labels = request.inputs.map(() => [
      { label: 'good', score: 0.75 },
      { label: 'fair', score: 0.2 },
      { label: 'bad', score: 0.05 },
    ]);
    return { ...FACTS, labels, promptTokens: 3 * request.inputs.length };
  }

  /** The longer, the more relevant. */
  async rerank(request: ForModel<RerankRequest>, options: CallOptions): Promise<RerankResult> {
    await this.#take({ kind: 'rerank', request, options });
    return { ...FACTS, scores: request.documents.map(({ length }) => length / 100), promptTokens: 9 };
  }

  /** A token per character. */
  async tokenize(request: ForModel<TokenizeRequest>, options: CallOptions): Promise<TokenizeResult> {
    await this.#take({ kind: 'tokenize', request, options });
    const tokens = Array.from(request.text, (text) => ({
      id: text.codePointAt(0) ?? 0,
      text,
      special: false,
    }));
    const begin = { id: 1, text: '<s>', special: true };
    return { ...FACTS, tokens: request.addSpecialTokens === false ? tokens : [begin, ...tokens] };
  }

  async detokenize(request: ForModel<DetokenizeRequest>, options: CallOptions): Promise<DetokenizeResult> {
    await this.#take({ kind: 'detokenize', request, options });
    return { ...FACTS, text: request.tokens.map((id) => String.fromCodePoint(id % 0x80)).join('') };
  }

  async #take(call: FakeCall): Promise<void> {
    this.calls.push(call);
    await this.hold;
    if (this.failure) throw this.failure;
  }
}

export interface FakeRest {
  readonly app: NestExpressApplication;
  readonly models: FakeEncoders;
  readonly url: string;
}

/**
 * The whole REST API over a fake provider.
 * @param modules besides those of the REST API
 */
export async function startRestOverFake(
  bodyLimit = '1mb',
  ...modules: (Type | DynamicModule)[]
): Promise<FakeRest> {
  const models = new FakeEncoders();
  @Global()
  @Module({ providers: [{ provide: ModelProvider, useValue: models }], exports: [ModelProvider] })
  class FakeModelModule {}
  const testing = await Test.createTestingModule({
    imports: [
      FakeModelModule,
      TransportModule,
      HealthModule,
      OpenAiModule,
      EncodersModule,
      OpenApiModule,
      ResidencyModule.forRoot(PRICES),
      MetricsModule,
      ...modules,
    ],
  }).compile();
  const app = testing.createNestApplication<NestExpressApplication>({
    bodyParser: false,
    forceCloseConnections: true,
    logger: false,
  });
  app.useBodyParser('json', jsonBodyOptions(bodyLimit));
  await app.listen(0, '127.0.0.1');
  return { app, models, url: await app.getUrl() };
}

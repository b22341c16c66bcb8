import {
  Args,
  Context,
  Int,
  Mutation,
  Parent,
  Query,
  ResolveField,
  Resolver,
  Subscription,
} from '@nestjs/graphql';
import { z } from 'zod';
import type { Batch } from '../batch/batch-types.js';
import { BatchesService } from '../batch/batches.service.js';
import type { CallOptions } from '../model/model.provider.js';
import { parseWith } from '../transport/validation.js';
import { batchChanges } from './batch-changes.js';
import {
  BatchPage,
  CreateBatchInput,
  createBatchSchema,
  GraphqlBatch,
  GraphqlBatchProgress,
  toGraphqlBatch,
} from './batches.types.js';
import { MOST_PAGE_ITEMS, PAGE_ITEMS, pageFields } from './files.resolver.js';
import { mapIterator } from './map-iterator.js';

const batchQuerySchema = z.object(pageFields);

/** Batches over GraphQL. */
@Resolver(() => GraphqlBatch)
export class BatchesResolver {
  readonly #batches: BatchesService;

  constructor(batches: BatchesService) {
    this.#batches = batches;
  }

  @Query(() => BatchPage)
  async batches(
    @Args('after', {
      type: () => String,
      nullable: true,
      description: 'Id of the last batch of the page before.',
    })
    after?: string | null,
    @Args('limit', { type: () => Int, defaultValue: PAGE_ITEMS, description: `1 to ${MOST_PAGE_ITEMS}.` })
    limit?: number,
  ): Promise<BatchPage> {
    const query = parseWith(batchQuerySchema, { after, limit });
    const page = await this.#batches.list({ after: query.after ?? undefined, limit: query.limit });
    return { items: page.batches.map(toGraphqlBatch), hasMore: page.hasMore };
  }

  @Query(() => GraphqlBatch)
  async batch(@Args('id') id: string): Promise<GraphqlBatch> {
    return toGraphqlBatch(await this.#batches.get(id));
  }

  /** Only where it is asked for: it is looked up. */
  @ResolveField(() => GraphqlBatchProgress, { description: "For the batch's operator." })
  async progress(@Parent() { id }: GraphqlBatch): Promise<GraphqlBatchProgress> {
    const progress = await this.#batches.progress(await this.#batches.get(id));
    return { ...progress, current: progress.chunks?.current ?? [] };
  }

  @Mutation(() => GraphqlBatch, {
    description: 'Makes a batch of a file that was uploaded with POST /v1/files.',
  })
  async createBatch(@Args('input') input: CreateBatchInput): Promise<GraphqlBatch> {
    const request = parseWith(createBatchSchema, input);
    const batch = await this.#batches.create({
      inputFileId: request.inputFileId,
      endpoint: request.endpoint,
      completionWindow: request.completionWindow ?? undefined,
      metadata: request.metadata,
      outputExpiresSeconds: request.outputExpiresAfterSeconds,
    });
    return toGraphqlBatch(batch);
  }

  @Mutation(() => GraphqlBatch, {
    description: 'What is answered is delivered, the rest is not run any more.',
  })
  async cancelBatch(@Args('id') id: string): Promise<GraphqlBatch> {
    return toGraphqlBatch(await this.#batches.cancel(id));
  }

  @Subscription(() => GraphqlBatch, {
    resolve: (batch: GraphqlBatch) => batch,
    description:
      'The batch as it is, then whenever it has changed, at most once a second, until it has ended.',
  })
  async batchProgress(
    @Args('id') id: string,
    @Context('call') { signal }: CallOptions,
  ): Promise<AsyncIterableIterator<GraphqlBatch>> {
    await this.#batches.get(id);
    return mapIterator<Batch, GraphqlBatch>(batchChanges(this.#batches, id, signal), toGraphqlBatch, asError);
  }
}

/** It is one of GraphQL's already. */
function asError(error: unknown): Error {
  return error as Error;
}

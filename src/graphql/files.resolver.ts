import { Args, Field, Float, Int, Mutation, ObjectType, Query, Resolver } from '@nestjs/graphql';
import { z } from 'zod';
import type { StoredFile } from '../batch/batch-types.js';
import { FilesService } from '../batch/files.service.js';
import { parseWith } from '../transport/validation.js';

/** What a page holds if nobody says, and at most. */
export const PAGE_ITEMS = 20;
export const MOST_PAGE_ITEMS = 100;

export const pageFields = {
  after: z.string().min(1).nullish(),
  limit: z.int().min(1).max(MOST_PAGE_ITEMS),
} as const;

@ObjectType('File', {
  description: 'An upload, or what a batch answered. Its content is at REST: /v1/files/{id}/content.',
})
export class GraphqlFile {
  @Field()
  id!: string;

  @Field()
  filename!: string;

  @Field({ description: 'batch: an input; batch_output: answers or errors.' })
  purpose!: string;

  @Field(() => Float)
  bytes!: number;

  @Field({ description: 'ISO 8601, as are all times.' })
  createdAt!: string;

  @Field(() => String, { nullable: true, description: 'Null: it is kept until somebody deletes it.' })
  expiresAt!: string | null;
}

@ObjectType()
export class FilePage {
  @Field(() => [GraphqlFile], { description: 'The newest first.' })
  items!: GraphqlFile[];

  @Field({ description: 'Whether there are others: ask for those after the id of the last.' })
  hasMore!: boolean;
}

const fileQuerySchema = z.object({ ...pageFields, purpose: z.string().min(1).nullish() });

/** Files of batches. Uploads go to REST: GraphQL carries no files. */
@Resolver(() => GraphqlFile)
export class FilesResolver {
  readonly #files: FilesService;

  constructor(files: FilesService) {
    this.#files = files;
  }

  @Query(() => FilePage, { description: 'Uploads and results of batches. Upload with POST /v1/files.' })
  async files(
    @Args('purpose', { type: () => String, nullable: true }) purpose?: string | null,
    @Args('after', {
      type: () => String,
      nullable: true,
      description: 'Id of the last file of the page before.',
    })
    after?: string | null,
    @Args('limit', { type: () => Int, defaultValue: PAGE_ITEMS, description: `1 to ${MOST_PAGE_ITEMS}.` })
    limit?: number,
  ): Promise<FilePage> {
    const query = parseWith(fileQuerySchema, { purpose, after, limit });
    const { files, hasMore } = await this.#files.list({
      purpose: query.purpose ?? undefined,
      after: query.after ?? undefined,
      limit: query.limit,
      order: 'desc',
    });
    return { items: files.map(toGraphql), hasMore };
  }

  @Query(() => GraphqlFile)
  async file(@Args('id') id: string): Promise<GraphqlFile> {
    return toGraphql(await this.#files.get(id));
  }

  @Mutation(() => GraphqlFile, { description: 'Answers the file that is gone.' })
  async deleteFile(@Args('id') id: string): Promise<GraphqlFile> {
    const file = await this.#files.get(id);
    await this.#files.delete(id);
    return toGraphql(file);
  }
}

function toGraphql({ createdAt, expiresAt, ...file }: StoredFile): GraphqlFile {
  return { ...file, createdAt: toIso(createdAt), expiresAt: isoOrNull(expiresAt) };
}

export function toIso(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}

export function isoOrNull(milliseconds: number | null): string | null {
  return milliseconds === null ? null : toIso(milliseconds);
}

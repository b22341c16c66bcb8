import { Field, Float, InputType, Int, ObjectType, registerEnumType } from '@nestjs/graphql';
import { z } from 'zod';
import type { Batch } from '../batch/batch-types.js';
import { expiresAfterField } from '../batch/files.schema.js';
import { inputName, metadataField } from '../batch/batches.schema.js';
import { isoOrNull, toIso } from './files.resolver.js';

export enum GraphqlBatchStatus {
  validating = 'validating',
  failed = 'failed',
  in_progress = 'in_progress',
  finalizing = 'finalizing',
  completed = 'completed',
  expired = 'expired',
  cancelling = 'cancelling',
  cancelled = 'cancelled',
}

registerEnumType(GraphqlBatchStatus, { name: 'BatchStatus' });

@ObjectType('BatchError', { description: 'Why nothing of a batch was run.' })
export class GraphqlBatchError {
  @Field()
  code!: string;

  @Field()
  message!: string;

  @Field(() => Int, { nullable: true })
  line!: number | null;

  @Field(() => String, { nullable: true })
  param!: string | null;
}

@ObjectType()
export class BatchCounts {
  @Field(() => Int)
  total!: number;

  @Field(() => Int)
  completed!: number;

  @Field(() => Int, { description: 'Answered with an error.' })
  failed!: number;
}

@ObjectType()
export class BatchUsage {
  @Field(() => Float)
  promptTokens!: number;

  @Field(() => Float, { description: 'Of these, those that were in the KV cache already.' })
  cachedTokens!: number;

  @Field(() => Float)
  completionTokens!: number;
}

@ObjectType('MetadataPair')
export class GraphqlMetadataPair {
  @Field()
  key!: string;

  @Field()
  value!: string;
}

@ObjectType()
export class BatchChunks {
  @Field(() => Int)
  open!: number;

  @Field(() => Int)
  running!: number;

  @Field(() => Int)
  done!: number;
}

@ObjectType({ description: 'A server that takes part.' })
export class BatchWorker {
  @Field()
  id!: string;

  @Field(() => String, { nullable: true })
  host!: string | null;

  @Field(() => Int, { nullable: true })
  pid!: number | null;
}

@ObjectType({ description: 'Lines that are worked on.' })
export class BatchRunningLines {
  @Field(() => Int)
  firstLine!: number;

  @Field(() => Int)
  lastLine!: number;

  @Field(() => Int, { description: 'Of these.' })
  answered!: number;

  @Field(() => BatchWorker)
  worker!: BatchWorker;
}

@ObjectType('BatchProgress')
export class GraphqlBatchProgress {
  @Field(() => Int, { description: 'Lines, with an answer or with an error.' })
  answered!: number;

  @Field(() => Float, { nullable: true, description: 'Lines per second of late.' })
  rate!: number | null;

  @Field(() => Int, { nullable: true })
  etaSeconds!: number | null;

  @Field(() => BatchChunks, { nullable: true, description: 'Null once the batch has ended.' })
  chunks!: BatchChunks | null;

  @Field(() => [BatchRunningLines])
  current!: readonly BatchRunningLines[];
}

@ObjectType('Batch', { description: "OpenAI's batch. Times are ISO 8601." })
export class GraphqlBatch {
  @Field()
  id!: string;

  @Field()
  endpoint!: string;

  @Field(() => GraphqlBatchStatus)
  status!: GraphqlBatchStatus;

  @Field(() => [GraphqlBatchError])
  errors!: readonly GraphqlBatchError[];

  @Field(() => String, { nullable: true, description: 'Null where the batch came from a folder.' })
  inputFileId!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Name of the file, where the batch came from a folder.',
  })
  inputName!: string | null;

  @Field()
  completionWindow!: string;

  @Field(() => String, { nullable: true })
  outputFileId!: string | null;

  @Field(() => String, { nullable: true })
  errorFileId!: string | null;

  @Field(() => BatchCounts)
  counts!: BatchCounts;

  @Field(() => String, { nullable: true, description: 'The one that answers; null: none yet, or several.' })
  model!: string | null;

  @Field(() => BatchUsage, { description: 'Of the answers so far.' })
  usage!: BatchUsage;

  @Field(() => [GraphqlMetadataPair])
  metadata!: GraphqlMetadataPair[];

  @Field()
  createdAt!: string;

  @Field(() => String, { nullable: true })
  inProgressAt!: string | null;

  @Field(() => String, { nullable: true })
  expiresAt!: string | null;

  @Field(() => String, { nullable: true })
  finalizingAt!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'When it completed, failed, expired or was cancelled.',
  })
  endedAt!: string | null;

  @Field(() => String, { nullable: true })
  cancellingAt!: string | null;
}

@ObjectType()
export class BatchPage {
  @Field(() => [GraphqlBatch], { description: 'The newest first.' })
  items!: GraphqlBatch[];

  @Field({ description: 'Whether there are others: ask for those after the id of the last.' })
  hasMore!: boolean;
}

@InputType()
export class MetadataPairInput {
  @Field()
  key!: string;

  @Field()
  value!: string;
}

@InputType()
export class CreateBatchInput {
  @Field({ description: 'Of a file with purpose batch, uploaded with POST /v1/files.' })
  inputFileId!: string;

  @Field({ description: 'What every line asks for, e.g. /v1/chat/completions.' })
  endpoint!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Hours or days, like 24h or 7d, at most 30d. Default: 24h.',
  })
  completionWindow?: string | null;

  @Field(() => [MetadataPairInput], { nullable: true })
  metadata?: MetadataPairInput[] | null;

  @Field(() => Int, {
    nullable: true,
    description: 'How long the output and error file are kept, in seconds. Default: batch.fileDays.',
  })
  outputExpiresAfterSeconds?: number | null;
}

/** Pairs as the domain has them. */
export const metadataPairs = z
  .array(z.object({ key: z.string(), value: z.string() }))
  .transform((pairs): Record<string, string> =>
    Object.fromEntries(pairs.map(({ key, value }) => [key, value])),
  )
  .pipe(metadataField.unwrap().unwrap());

export const createBatchSchema = z.object({
  inputFileId: z.string().min(1),
  endpoint: z.string(),
  completionWindow: z.string().nullish(),
  metadata: metadataPairs.nullish(),
  outputExpiresAfterSeconds: expiresAfterField.shape.seconds.nullish(),
});

export function toGraphqlBatch(batch: Batch): GraphqlBatch {
  const { id, endpoint, status, errors, completionWindow, outputFileId, errorFileId, counts, times } = batch;
  const endedAt = times.completedAt ?? times.failedAt ?? times.expiredAt ?? times.cancelledAt;
  return {
    id,
    endpoint,
    status: GraphqlBatchStatus[status],
    errors,
    inputFileId: batch.input.kind === 'file' ? batch.input.fileId : null,
    inputName: inputName(batch),
    completionWindow,
    outputFileId,
    errorFileId,
    counts,
    model: batch.model,
    usage: batch.usage,
    metadata: toPairs(batch.metadata),
    createdAt: toIso(times.createdAt),
    inProgressAt: isoOrNull(times.inProgressAt),
    expiresAt: isoOrNull(batch.expiresAt),
    finalizingAt: isoOrNull(times.finalizingAt),
    endedAt: isoOrNull(endedAt),
    cancellingAt: isoOrNull(times.cancellingAt),
  };
}

export function toPairs(metadata: Batch['metadata']): GraphqlMetadataPair[] {
  return Object.entries(metadata ?? {}).map(([key, value]) => ({ key, value }));
}

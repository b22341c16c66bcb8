import { Field, InputType, Int, ObjectType, registerEnumType } from '@nestjs/graphql';
import { z } from 'zod';
import type { ScheduleOptions, ScheduleSource } from '../batch/batch-options.interface.js';
import type { Schedule } from '../batch/schedules/schedule-types.js';
import { scheduleFields, withoutUndefined } from '../batch/schedules/schedules.schema.js';
import { GraphqlMetadataPair, MetadataPairInput, metadataPairs, toPairs } from './batches.types.js';
import { isoOrNull, toIso } from './files.resolver.js';

export enum GraphqlMissedRuns {
  skip = 'skip',
  run_once = 'run_once',
}

registerEnumType(GraphqlMissedRuns, {
  name: 'MissedRuns',
  description: 'What becomes of a run whose time passed while no server ran.',
});

export enum GraphqlScheduleOrigin {
  config = 'config',
  api = 'api',
}

registerEnumType(GraphqlScheduleOrigin, { name: 'ScheduleOrigin' });

@ObjectType('ScheduleSource', {
  description: 'Where the lines come from: one of these, the others are null.',
})
export class GraphqlScheduleSource {
  @Field(() => String, { nullable: true, description: 'Id of a file with purpose batch.' })
  file!: string | null;

  @Field(() => String, { nullable: true, description: 'Pattern of names in the inbox.' })
  inbox!: string | null;

  @Field(() => String, { nullable: true, description: 'Name of a LineSource of the application.' })
  provider!: string | null;
}

@ObjectType('Schedule', { description: 'Batches that come again and again. Times are ISO 8601.' })
export class GraphqlSchedule {
  @Field()
  id!: string;

  @Field()
  name!: string;

  @Field({ description: 'Five fields, or six with seconds first.' })
  cron!: string;

  @Field()
  timeZone!: string;

  @Field(() => GraphqlScheduleSource)
  source!: GraphqlScheduleSource;

  @Field()
  endpoint!: string;

  @Field(() => [GraphqlMetadataPair])
  metadata!: GraphqlMetadataPair[];

  @Field(() => Int, { nullable: true, description: 'A run that takes longer expires.' })
  timeoutSeconds!: number | null;

  @Field(() => GraphqlMissedRuns)
  missedRuns!: GraphqlMissedRuns;

  @Field()
  paused!: boolean;

  @Field(() => GraphqlScheduleOrigin, { description: 'One of the configuration is changed there only.' })
  origin!: GraphqlScheduleOrigin;

  @Field()
  createdAt!: string;

  @Field(() => String, { nullable: true })
  nextRunAt!: string | null;

  @Field(() => String, { nullable: true })
  lastRunAt!: string | null;

  @Field(() => String, { nullable: true, description: 'started: …, skipped: … or failed: …' })
  lastOutcome!: string | null;

  @Field(() => String, { nullable: true })
  lastBatchId!: string | null;
}

@InputType({ description: 'Exactly one of these.' })
export class ScheduleSourceInput {
  @Field(() => String, { nullable: true, description: 'Id of a file with purpose batch.' })
  file?: string | null;

  @Field(() => String, { nullable: true, description: 'Pattern of names in the inbox, e.g. *.jsonl.' })
  inbox?: string | null;

  @Field(() => String, { nullable: true, description: 'Name of a LineSource of the application.' })
  provider?: string | null;
}

@InputType()
export class CreateScheduleInput {
  @Field()
  name!: string;

  @Field({ description: 'Five fields, or six with seconds first.' })
  cron!: string;

  @Field(() => String, { nullable: true, description: 'IANA name. Default: UTC.' })
  timeZone?: string | null;

  @Field(() => ScheduleSourceInput)
  source!: ScheduleSourceInput;

  @Field({ description: 'What every line asks for, e.g. /v1/chat/completions.' })
  endpoint!: string;

  @Field(() => [MetadataPairInput], { nullable: true })
  metadata?: MetadataPairInput[] | null;

  @Field(() => Int, { nullable: true })
  timeoutSeconds?: number | null;

  @Field(() => GraphqlMissedRuns, { nullable: true, description: 'Default: skip.' })
  missedRuns?: GraphqlMissedRuns | null;
}

@InputType({
  description:
    'What is left out stays as it is; null takes metadata and timeoutSeconds away, and is left out elsewhere.',
})
export class UpdateScheduleInput {
  @Field(() => String, { nullable: true })
  name?: string | null;

  @Field(() => String, { nullable: true })
  cron?: string | null;

  @Field(() => String, { nullable: true })
  timeZone?: string | null;

  @Field(() => ScheduleSourceInput, { nullable: true })
  source?: ScheduleSourceInput | null;

  @Field(() => String, { nullable: true })
  endpoint?: string | null;

  @Field(() => [MetadataPairInput], { nullable: true })
  metadata?: MetadataPairInput[] | null;

  @Field(() => Int, { nullable: true })
  timeoutSeconds?: number | null;

  @Field(() => GraphqlMissedRuns, { nullable: true })
  missedRuns?: GraphqlMissedRuns | null;
}

const sourceSchema = z
  .object({ file: z.string().nullish(), inbox: z.string().nullish(), provider: z.string().nullish() })
  .transform(({ file, inbox, provider }, context): ScheduleSource => {
    const given: readonly (ScheduleSource | null)[] = [
      file ? { kind: 'file', fileId: file } : null,
      inbox ? { kind: 'inbox', pattern: inbox } : null,
      provider ? { kind: 'provider', name: provider } : null,
    ];
    const [source, second] = given.filter((one) => one !== null);
    if (source && !second) return source;
    context.addIssue('must be exactly one of file, inbox, provider');
    return z.NEVER;
  });

export const createScheduleSchema = z
  .object({
    ...scheduleFields,
    timeZone: scheduleFields.timeZone.nullish(),
    source: sourceSchema,
    metadata: metadataPairs.nullish(),
    missedRuns: scheduleFields.missedRuns.nullish(),
  })
  .transform(({ timeZone, metadata, timeoutSeconds, missedRuns, ...rest }): ScheduleOptions => ({
    ...rest,
    timeZone: timeZone ?? 'UTC',
    metadata: metadata ?? null,
    timeoutSeconds: timeoutSeconds ?? null,
    missedRuns: missedRuns ?? 'skip',
  }));

export const updateScheduleSchema = z
  .object({
    name: scheduleFields.name.nullish(),
    cron: scheduleFields.cron.nullish(),
    timeZone: scheduleFields.timeZone.nullish(),
    source: sourceSchema.nullish(),
    endpoint: scheduleFields.endpoint.nullish(),
    metadata: metadataPairs.nullish(),
    timeoutSeconds: scheduleFields.timeoutSeconds,
    missedRuns: scheduleFields.missedRuns.nullish(),
  })
  .transform(
    ({ name, cron, timeZone, source, endpoint, missedRuns, ...nullable }): Partial<ScheduleOptions> =>
      withoutUndefined({
        name: name ?? undefined,
        cron: cron ?? undefined,
        timeZone: timeZone ?? undefined,
        source: source ?? undefined,
        endpoint: endpoint ?? undefined,
        missedRuns: missedRuns ?? undefined,
        ...nullable,
      }),
  );

export function toGraphqlSchedule({ source, ...schedule }: Schedule): GraphqlSchedule {
  return {
    ...schedule,
    source: {
      file: source.kind === 'file' ? source.fileId : null,
      inbox: source.kind === 'inbox' ? source.pattern : null,
      provider: source.kind === 'provider' ? source.name : null,
    },
    metadata: toPairs(schedule.metadata),
    missedRuns: GraphqlMissedRuns[schedule.missedRuns],
    origin: GraphqlScheduleOrigin[schedule.origin],
    createdAt: toIso(schedule.createdAt),
    nextRunAt: isoOrNull(schedule.nextRunAt),
    lastRunAt: isoOrNull(schedule.lastRunAt),
  };
}

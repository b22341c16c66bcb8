import { Field, Float, InputType, Int, ObjectType } from '@nestjs/graphql';
import { z } from 'zod';
import type { CallTiming } from '../engine/encoder-types.js';

/** What every call takes beside its texts. */
@InputType({ isAbstract: true })
export abstract class CallInput {
  @Field(() => String, {
    nullable: true,
    description: 'Default: the first model of the configuration that does this.',
  })
  model?: string | null;
}

/** What calls to encoders take, too. */
@InputType({ isAbstract: true })
export abstract class EncoderCallInput extends CallInput {
  @Field(() => Boolean, {
    nullable: true,
    description: 'Cut what is longer than the model takes instead of refusing it. Default: false.',
  })
  truncate?: boolean | null;

  @Field(() => Float, { nullable: true, description: 'Seconds after which it fails with deadline_exceeded.' })
  timeout?: number | null;
}

/** The limit of `CallInput`. */
export const modelField = z.string().nullish();

@ObjectType('Timing', { description: 'Where the time went, in milliseconds.' })
export class GraphqlTiming implements CallTiming {
  @Field(() => Float, { description: 'Until the first pass of the model that works on it.' })
  queueMs!: number;

  @Field(() => Float, { description: 'From then until its answer.' })
  inferenceMs!: number;
}

@ObjectType('CallUsage')
export class GraphqlCallUsage {
  @Field(() => Int, { description: 'Of all texts, with special tokens, after truncation.' })
  promptTokens!: number;
}

/** What every call answers. */
@ObjectType({ isAbstract: true })
export abstract class CallAnswer {
  @Field({ description: 'The load that answered.' })
  instanceId!: string;

  @Field(() => GraphqlTiming)
  timing!: GraphqlTiming;
}

@ObjectType({ isAbstract: true })
export abstract class EncoderAnswer extends CallAnswer {
  @Field(() => GraphqlCallUsage)
  usage!: GraphqlCallUsage;
}

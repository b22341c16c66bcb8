import { Args, Field, Int, ObjectType, Query, Resolver, registerEnumType } from '@nestjs/graphql';
import { ModelProvider, type ModelDescription } from '../model/model.provider.js';

export enum GraphqlModelState {
  idle = 'idle',
  loading = 'loading',
  ready = 'ready',
  draining = 'draining',
  stopped = 'stopped',
  failed = 'failed',
}

registerEnumType(GraphqlModelState, { name: 'ModelState' });

@ObjectType('Model', { description: 'A resident model. What is known only after a load is null before it.' })
export class GraphqlModel {
  @Field()
  name!: string;

  @Field()
  task!: string;

  @Field(() => GraphqlModelState)
  state!: GraphqlModelState;

  @Field(() => String, { nullable: true, description: 'UUID of the present load.' })
  instanceId?: string;

  @Field(() => String, { nullable: true, description: 'ISO 8601.' })
  loadedAt?: string;

  @Field(() => Int, {
    nullable: true,
    description: 'Milliseconds from the order to load until it could answer.',
  })
  loadMs?: number;

  @Field(() => Int, { description: 'Loads since the server started: 1 unless the engine died.' })
  loads!: number;

  @Field(() => Int, { description: 'Generations under way or waiting.' })
  active!: number;

  @Field(() => String, { nullable: true })
  device?: string;

  @Field(() => String, { nullable: true })
  dtype?: string;

  @Field(() => Int, { nullable: true, description: 'Most tokens of prompt and completion together.' })
  contextLength?: number;

  @Field(() => Int, { nullable: true, description: 'Of an encoder: most tokens of one text.' })
  maxInputTokens?: number;

  @Field(() => Int, { nullable: true, description: 'Of an embedding model: the length of its vectors.' })
  dimensions?: number;

  @Field(() => [String], {
    nullable: true,
    description: "Of a classifier or reranker, in the model's order.",
  })
  labels?: readonly string[];

  @Field(() => [String], {
    nullable: true,
    description: 'Of an embedding model: prompts that may go before a text.',
  })
  promptNames?: readonly string[];

  @Field(() => String, { nullable: true, description: 'How the KV cache is kept: inplace or plain.' })
  kvCache?: string;

  @Field(() => Int, {
    nullable: true,
    description: 'Tokens that the KV cache holds, of all sequences together.',
  })
  kvCacheTokens?: number;

  @Field(() => Boolean, {
    nullable: true,
    description: "Whether a sequence's result is the same, to the bit, whatever runs beside it.",
  })
  batchInvariant?: boolean;
}

@Resolver(() => GraphqlModel)
export class ModelsResolver {
  constructor(readonly provider: ModelProvider) {}

  @Query(() => [GraphqlModel])
  models(): GraphqlModel[] {
    return this.provider.describeAll().map(toGraphql);
  }

  @Query(() => GraphqlModel)
  model(@Args('name') name: string): GraphqlModel {
    return toGraphql(this.provider.describe(name));
  }
}

function toGraphql({ state, ...model }: ModelDescription): GraphqlModel {
  return { ...model, state: GraphqlModelState[state] };
}

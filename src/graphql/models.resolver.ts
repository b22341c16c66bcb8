import { UseGuards } from '@nestjs/common';
import {
  Args,
  Field,
  Float,
  Int,
  Mutation,
  ObjectType,
  Query,
  Resolver,
  registerEnumType,
} from '@nestjs/graphql';
import { ModelProvider, type ModelDescription } from '../model/model.provider.js';
import { AdminGuard } from '../transport/admin.guard.js';

export enum GraphqlModelState {
  idle = 'idle',
  loading = 'loading',
  ready = 'ready',
  unloading = 'unloading',
  failed = 'failed',
  draining = 'draining',
  stopped = 'stopped',
}

registerEnumType(GraphqlModelState, {
  name: 'ModelState',
  valuesMap: {
    idle: { description: 'Not loaded; the next request loads it.' },
    unloading: { description: 'Its engine ends; requests that come wait, and load it again.' },
    failed: { description: 'The last load failed, or its engine died too often in a row.' },
    draining: { description: 'The server ends.' },
  },
});

@ObjectType('LoadProgress', { description: 'What a load does.' })
export class GraphqlLoadProgress {
  @Field({ description: 'downloading, loading or warming-up.' })
  phase!: string;

  @Field(() => String, { nullable: true, description: 'Of a download: the file that is under way.' })
  file?: string;

  @Field(() => Float, { nullable: true, description: 'Of a download: what is there of all files.' })
  bytes?: number;

  @Field(() => Float, { nullable: true })
  totalBytes?: number;

  @Field(() => String, { nullable: true, description: 'That it is loaded on, or tried on.' })
  device?: string;

  @Field(() => String, { nullable: true })
  dtype?: string;
}

@ObjectType('LoadFailure', { description: 'Why a model could not be loaded.' })
export class GraphqlLoadFailure {
  @Field({ description: 'Stable: match on it.' })
  code!: string;

  @Field({ description: 'One clear sentence.' })
  message!: string;
}

@ObjectType('PlannedMemory', { description: 'In bytes.' })
export class GraphqlPlannedMemory {
  @Field(() => Float)
  weightsBytes!: number;

  @Field(() => Float, { description: 'Of the largest step.' })
  activationBytes!: number;

  @Field(() => Float)
  kvCacheBytes!: number;

  @Field(() => Float, { nullable: true, description: 'What was free on the device, if it tells.' })
  freeBytes?: number;
}

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

  @Field(() => Int, {
    description: 'Loads since the server started: 1 unless its engine died, or it was unloaded or reloaded.',
  })
  loads!: number;

  @Field(() => Int, { description: 'Requests under way or waiting.' })
  active!: number;

  @Field(() => GraphqlLoadProgress, { nullable: true, description: 'What the load under way does.' })
  progress?: GraphqlLoadProgress;

  @Field(() => String, {
    nullable: true,
    description: "What the loaded model can't do as well as it should: a sentence.",
  })
  degraded?: string;

  @Field(() => GraphqlLoadFailure, { nullable: true, description: 'Why the last load failed.' })
  error?: GraphqlLoadFailure;

  @Field(() => String, { nullable: true })
  device?: string;

  @Field(() => String, { nullable: true })
  dtype?: string;

  @Field(() => String, {
    nullable: true,
    description: 'Of a model from the hub: the commit that was loaded.',
  })
  commit?: string;

  @Field(() => String, { nullable: true, description: 'Why this device, and why no other.' })
  deviceReason?: string;

  @Field(() => String, { nullable: true, description: 'Why these weights, and why no others.' })
  dtypeReason?: string;

  @Field(() => GraphqlPlannedMemory, { nullable: true, description: 'What was planned before the load.' })
  memory?: GraphqlPlannedMemory;

  @Field(() => [String], { nullable: true, description: 'What the operator should know of this load.' })
  warnings?: readonly string[];

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

const NAME = { description: 'Name of the model, or one of its other names.' } as const;

/** Models over GraphQL. Who may change their state: see `AdminGuard`. */
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

  @Mutation(() => GraphqlModel, { description: 'Answers when the model is loaded.' })
  @UseGuards(AdminGuard)
  async loadModel(@Args('name', NAME) name: string): Promise<GraphqlModel> {
    return toGraphql(await this.provider.load(name));
  }

  @Mutation(() => GraphqlModel, {
    description: 'Ends its engine when its requests have ended; the next request loads the model again.',
  })
  @UseGuards(AdminGuard)
  async unloadModel(@Args('name', NAME) name: string): Promise<GraphqlModel> {
    return toGraphql(await this.provider.unload(name));
  }

  @Mutation(() => GraphqlModel, {
    description: 'Loads it anew; the present engine answers until then, and finishes what it has.',
  })
  @UseGuards(AdminGuard)
  async reloadModel(@Args('name', NAME) name: string): Promise<GraphqlModel> {
    return toGraphql(await this.provider.reload(name));
  }
}

function toGraphql({ state, ...model }: ModelDescription): GraphqlModel {
  return { ...model, state: GraphqlModelState[state] };
}

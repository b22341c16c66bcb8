import { Field, Float, Int, ObjectType } from '@nestjs/graphql';
import { GraphqlModelState } from './models.resolver.js';

@ObjectType('ResidencyPrices', { description: 'What memory and computing cost, as configured.' })
export class GraphqlResidencyPrices {
  @Field(() => Float, { description: 'Of 2^30 bytes kept for an hour.' })
  gbHourPrice!: number;

  @Field(() => Float, { description: 'Of one core, busy for an hour.' })
  cpuHourPrice!: number;

  @Field()
  currency!: string;
}

@ObjectType('BreakEven', {
  description: 'Where keeping a model costs as much as loading it when it is asked for.',
})
export class GraphqlBreakEven {
  @Field(() => Float, { description: 'Of keeping it for an hour, in the currency of the prices.' })
  keepHourCost!: number;

  @Field(() => Float, { description: 'Of one load.' })
  loadCost!: number;

  @Field(() => Float, {
    description: 'With more requests than this, keeping it costs less than a load for each.',
  })
  requestsPerMinute!: number;

  @Field(() => Float, {
    nullable: true,
    description: 'Keeping it so long costs as much as one load; null: memory costs nothing.',
  })
  idleSeconds!: number | null;
}

@ObjectType('KeepAliveSuggestion')
export class GraphqlSuggestion {
  @Field({ description: 'always, or an idle time like 30s, 10m, 2h.' })
  keepAlive!: string;

  @Field({ description: 'One sentence with the figures.' })
  reason!: string;
}

@ObjectType('ModelResidency', {
  description: 'What keeping one model resident cost and saved since the server started.',
})
export class GraphqlModelResidency {
  @Field()
  model!: string;

  @Field(() => GraphqlModelState)
  state!: GraphqlModelState;

  @Field(() => Int)
  loads!: number;

  @Field(() => Float, { description: 'Of all loads together.' })
  loadSeconds!: number;

  @Field(() => Float, { nullable: true })
  lastLoadSeconds!: number | null;

  @Field(() => Float, {
    nullable: true,
    description: 'CPU time of one load, on average, all threads together.',
  })
  loadCpuSeconds!: number | null;

  @Field(() => Float, { description: 'Of every kind, answered whole.' })
  requests!: number;

  @Field(() => Float, {
    description: 'How long people would have waited for loads, had each request needed one of its own.',
  })
  reloadSecondsAvoided!: number;

  @Field(() => Float, { description: 'Over the last ten minutes.' })
  requestsPerMinute!: number;

  @Field(() => Float, { description: 'How long it was resident, altogether.' })
  residentSeconds!: number;

  // more than 2^31 bytes is no Int
  @Field(() => Float, { nullable: true, description: 'Resident memory of its engine process.' })
  memoryBytes!: number | null;

  @Field(() => GraphqlBreakEven, { nullable: true, description: 'null until load and memory are measured.' })
  breakEven!: GraphqlBreakEven | null;

  @Field(() => GraphqlSuggestion, { nullable: true })
  suggestion!: GraphqlSuggestion | null;
}

@ObjectType('Residency', { description: 'What keeping the models resident costs and saves.' })
export class GraphqlResidency {
  @Field({ description: 'When counting began, ISO 8601.' })
  since!: string;

  @Field(() => GraphqlResidencyPrices)
  prices!: GraphqlResidencyPrices;

  @Field(() => [GraphqlModelResidency])
  models!: GraphqlModelResidency[];
}

import { Query, Resolver } from '@nestjs/graphql';
import { ResidencyService } from '../residency/residency.service.js';
import { GraphqlModelState } from './models.resolver.js';
import { GraphqlResidency } from './residency.types.js';

@Resolver(() => GraphqlResidency)
export class ResidencyResolver {
  constructor(readonly service: ResidencyService) {}

  @Query(() => GraphqlResidency, { description: 'Looking loads no model and wakes none.' })
  residency(): GraphqlResidency {
    const { since, prices, entries } = this.service.ledger();
    const models = entries.map((entry) => ({ ...entry, state: GraphqlModelState[entry.state] }));
    return { since, prices, models };
  }
}

import { Args, Context, Field, InputType, Int, ObjectType, Query, Resolver } from '@nestjs/graphql';
import { z } from 'zod';
import type { Token } from '../engine/encoder-types.js';
import { ModelProvider, type CallOptions } from '../model/model.provider.js';
import { parseWith } from '../transport/validation.js';
import { CallAnswer, CallInput, modelField } from './call.types.js';

@InputType()
export class TokenizeInput extends CallInput {
  @Field()
  text!: string;

  @Field(() => Boolean, {
    nullable: true,
    description: 'With the special tokens that the model wants around a text. Default: true.',
  })
  addSpecialTokens?: boolean | null;
}

const tokenizeInputSchema = z.object({
  model: modelField,
  text: z.string(),
  addSpecialTokens: z.boolean().nullish(),
});

@ObjectType('Token')
export class GraphqlToken implements Token {
  @Field(() => Int)
  id!: number;

  @Field({ description: 'As the vocabulary spells it.' })
  text!: string;

  @Field()
  special!: boolean;
}

@ObjectType()
export class TokenizeResult extends CallAnswer {
  @Field(() => [GraphqlToken])
  tokens!: readonly GraphqlToken[];

  @Field(() => Int, { description: 'Number of tokens.' })
  count!: number;
}

/** Text to tokens. */
@Resolver()
export class TokenizeResolver {
  constructor(readonly models: ModelProvider) {}

  @Query(() => TokenizeResult, { description: "The text in the model's tokens." })
  async tokenize(
    @Args('input') input: TokenizeInput,
    @Context('call') options: CallOptions,
  ): Promise<TokenizeResult> {
    const { model, text, addSpecialTokens } = parseWith(tokenizeInputSchema, input);
    const answer = await this.models.tokenize(
      { model: model ?? undefined, text, addSpecialTokens: addSpecialTokens ?? undefined },
      options,
    );
    return { ...answer, count: answer.tokens.length };
  }
}

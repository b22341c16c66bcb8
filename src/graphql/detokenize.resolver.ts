import { Args, Context, Field, InputType, Int, ObjectType, Query, Resolver } from '@nestjs/graphql';
import { z } from 'zod';
import { ModelProvider, type CallOptions } from '../model/model.provider.js';
import { parseWith } from '../transport/validation.js';
import { CallAnswer, CallInput, modelField } from './call.types.js';

@InputType()
export class DetokenizeInput extends CallInput {
  @Field(() => [Int])
  tokens!: number[];

  @Field(() => Boolean, { nullable: true, description: 'Leave special tokens out. Default: true.' })
  skipSpecialTokens?: boolean | null;
}

const detokenizeInputSchema = z.object({
  model: modelField,
  tokens: z.array(z.int().min(0)),
  skipSpecialTokens: z.boolean().nullish(),
});

@ObjectType()
export class DetokenizeResult extends CallAnswer {
  @Field()
  text!: string;
}

/** Tokens to text. */
@Resolver()
export class DetokenizeResolver {
  constructor(readonly models: ModelProvider) {}

  @Query(() => DetokenizeResult, { description: "The text that the model's tokens stand for." })
  detokenize(
    @Args('input') input: DetokenizeInput,
    @Context('call') options: CallOptions,
  ): Promise<DetokenizeResult> {
    const { model, tokens, skipSpecialTokens } = parseWith(detokenizeInputSchema, input);
    return this.models.detokenize(
      { model: model ?? undefined, tokens, skipSpecialTokens: skipSpecialTokens ?? undefined },
      options,
    );
  }
}

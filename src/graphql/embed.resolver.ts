import { Args, Context, Field, Float, InputType, Int, ObjectType, Query, Resolver } from '@nestjs/graphql';
import { z } from 'zod';
import { encoderFields, MOST_INPUTS, textField, toEncoderOptions } from '../encoders/encoder-fields.js';
import { ModelProvider, type CallOptions } from '../model/model.provider.js';
import { parseWith } from '../transport/validation.js';
import { EncoderAnswer, EncoderCallInput, modelField } from './call.types.js';

@InputType()
export class EmbedInput extends EncoderCallInput {
  @Field(() => [String], { description: `Texts, 1 to ${MOST_INPUTS}.` })
  inputs!: string[];

  @Field(() => Int, { nullable: true, description: 'Only the first so many dimensions. Default: all.' })
  dimensions?: number | null;

  @Field(() => String, {
    nullable: true,
    description: "Name of a prompt of the model that goes before every text. Default: the model's default.",
  })
  promptName?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description: "Vectors of length 1. Default: what the model's configuration says.",
  })
  normalize?: boolean | null;
}

const embedInputSchema = z.object({
  ...encoderFields,
  model: modelField,
  inputs: z.array(textField).min(1).max(MOST_INPUTS),
  dimensions: z.int().min(1).nullish(),
  promptName: textField.nullish(),
  normalize: z.boolean().nullish(),
});

@ObjectType()
export class EmbedResult extends EncoderAnswer {
  @Field(() => [[Float]], { description: 'One vector for each text, in order.' })
  embeddings!: readonly Iterable<number>[];
}

/** Texts to vectors. */
@Resolver()
export class EmbedResolver {
  constructor(readonly models: ModelProvider) {}

  @Query(() => EmbedResult, { description: 'One vector for each text.' })
  async embed(@Args('input') input: EmbedInput, @Context('call') options: CallOptions): Promise<EmbedResult> {
    const request = parseWith(embedInputSchema, input);
    const { promptTokens, ...answer } = await this.models.embed(
      {
        model: request.model ?? undefined,
        inputs: request.inputs,
        dimensions: request.dimensions ?? undefined,
        promptName: request.promptName ?? undefined,
        normalize: request.normalize ?? undefined,
        ...toEncoderOptions(request),
      },
      options,
    );
    return { ...answer, usage: { promptTokens } };
  }
}

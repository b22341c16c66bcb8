import { Args, Context, Field, Float, InputType, ObjectType, Query, Resolver } from '@nestjs/graphql';
import { z } from 'zod';
import type { LabelScore } from '../engine/encoder-types.js';
import {
  encoderFields,
  MOST_INPUTS,
  rawScoresField,
  textField,
  toEncoderOptions,
} from '../encoders/encoder-fields.js';
import { ModelProvider, type CallOptions } from '../model/model.provider.js';
import { parseWith } from '../transport/validation.js';
import { EncoderAnswer, EncoderCallInput, modelField } from './call.types.js';

@InputType({ description: 'A text, or two that the model reads together.' })
export class ClassifyTextInput {
  @Field()
  text!: string;

  @Field(() => String, { nullable: true })
  pair?: string | null;
}

@InputType()
export class ClassifyInput extends EncoderCallInput {
  @Field(() => [ClassifyTextInput], { description: `1 to ${MOST_INPUTS}.` })
  inputs!: ClassifyTextInput[];

  @Field(() => Boolean, { nullable: true, description: 'Logits instead of probabilities. Default: false.' })
  rawScores?: boolean | null;
}

const classifyInputSchema = z.object({
  ...encoderFields,
  model: modelField,
  inputs: z
    .array(z.object({ text: textField, pair: textField.nullish() }))
    .min(1)
    .max(MOST_INPUTS),
  rawScores: rawScoresField,
});

@ObjectType('LabelScore')
export class GraphqlLabelScore implements LabelScore {
  @Field()
  label!: string;

  @Field(() => Float)
  score!: number;
}

@ObjectType()
export class ClassifyResult extends EncoderAnswer {
  @Field(() => [[GraphqlLabelScore]], {
    description: 'For each text, in order, every label of the model, the best first.',
  })
  labels!: readonly (readonly GraphqlLabelScore[])[];
}

/** Texts to labels. */
@Resolver()
export class ClassifyResolver {
  constructor(readonly models: ModelProvider) {}

  @Query(() => ClassifyResult, { description: "Every label's score for each text." })
  async classify(
    @Args('input') input: ClassifyInput,
    @Context('call') options: CallOptions,
  ): Promise<ClassifyResult> {
    const request = parseWith(classifyInputSchema, input);
    const { promptTokens, ...answer } = await this.models.classify(
      {
        model: request.model ?? undefined,
        inputs: request.inputs.map(({ text, pair }) => (pair == null ? text : { text, pair })),
        rawScores: request.rawScores ?? undefined,
        ...toEncoderOptions(request),
      },
      options,
    );
    return { ...answer, usage: { promptTokens } };
  }
}

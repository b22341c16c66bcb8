import { Args, Context, Field, Float, InputType, Int, ObjectType, Query, Resolver } from '@nestjs/graphql';
import { z } from 'zod';
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

@InputType()
export class RerankInput extends EncoderCallInput {
  @Field()
  query!: string;

  @Field(() => [String], { description: `1 to ${MOST_INPUTS}.` })
  documents!: string[];

  @Field(() => Int, { nullable: true, description: 'Only the best so many. Default: all.' })
  topN?: number | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Logits instead of relevances between 0 and 1. Default: false.',
  })
  rawScores?: boolean | null;
}

const rerankInputSchema = z.object({
  ...encoderFields,
  model: modelField,
  query: textField,
  documents: z.array(textField).min(1).max(MOST_INPUTS),
  topN: z.int().min(1).nullish(),
  rawScores: rawScoresField,
});

@ObjectType()
export class RankedDocument {
  @Field(() => Int, { description: 'Its place among the documents of the request, from 0.' })
  index!: number;

  @Field(() => Float)
  score!: number;

  @Field()
  document!: string;
}

@ObjectType()
export class RerankResult extends EncoderAnswer {
  @Field(() => [RankedDocument], { description: 'The most relevant first.' })
  results!: RankedDocument[];
}

/** Documents by relevance. */
@Resolver()
export class RerankResolver {
  constructor(readonly models: ModelProvider) {}

  @Query(() => RerankResult, { description: 'How relevant each document is to the query.' })
  async rerank(
    @Args('input') input: RerankInput,
    @Context('call') options: CallOptions,
  ): Promise<RerankResult> {
    const request = parseWith(rerankInputSchema, input);
    const { documents } = request;
    const { promptTokens, scores, ...answer } = await this.models.rerank(
      {
        model: request.model ?? undefined,
        query: request.query,
        documents,
        rawScores: request.rawScores ?? undefined,
        ...toEncoderOptions(request),
      },
      options,
    );
    const results = documents
      .map((document, index) => ({ index, score: scores[index] as number, document }))
      .toSorted((a, b) => b.score - a.score)
      .slice(0, request.topN ?? documents.length);
    return { ...answer, usage: { promptTokens }, results };
  }
}

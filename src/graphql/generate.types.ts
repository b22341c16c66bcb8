import { Field, Float, InputType, Int, ObjectType, registerEnumType } from '@nestjs/graphql';
import { z } from 'zod';
import { biasField, maxTokensField, samplingFields, stopListField } from '../openai/generation.schema.js';

/** GraphQL spells enum values as it likes; the wire carries these names. */
export enum GraphqlFinishReason {
  stop = 'stop',
  length = 'length',
}

registerEnumType(GraphqlFinishReason, {
  name: 'FinishReason',
  valuesMap: {
    stop: { description: 'The model ended the text, or a stop string did.' },
    length: { description: 'maxTokens was reached.' },
  },
});

@InputType({ description: 'Added to the logit of one token.' })
export class LogitBiasInput {
  @Field(() => Int)
  token!: number;

  @Field(() => Float, { description: 'From -100 to 100.' })
  bias!: number;
}

/** GraphQL spells enum values as it likes; the wire carries these names. */
export enum GraphqlChatRole {
  system = 'system',
  developer = 'developer',
  user = 'user',
  assistant = 'assistant',
}

registerEnumType(GraphqlChatRole, { name: 'ChatRole' });

@InputType()
export class ChatMessageInput {
  @Field(() => GraphqlChatRole)
  role!: GraphqlChatRole;

  @Field()
  content!: string;
}

@InputType({ description: 'Either prompt or messages.' })
export class GenerateInput {
  @Field(() => String, { nullable: true, description: 'Default: the first model of the configuration.' })
  model?: string | null;

  @Field(() => String, { nullable: true, description: 'A text to go on with.' })
  prompt?: string | null;

  @Field(() => [ChatMessageInput], {
    nullable: true,
    description: "A chat to go on with, through the model's own template.",
  })
  messages?: ChatMessageInput[] | null;

  @Field(() => Int, {
    nullable: true,
    description: "Default: the model's max_new_tokens, else what the context still holds.",
  })
  maxTokens?: number | null;

  @Field(() => Float, { nullable: true, description: '0 is greedy, at most 2.' })
  temperature?: number | null;

  @Field(() => Float, { nullable: true, description: 'Nucleus mass in [0, 1].' })
  topP?: number | null;

  @Field(() => Int, { nullable: true, description: 'Only the k most probable tokens; 0: all.' })
  topK?: number | null;

  @Field(() => Float, {
    nullable: true,
    description:
      "Only tokens at least this probable, as a share of the most probable one's probability, in [0, 1].",
  })
  minP?: number | null;

  @Field(() => Float, { nullable: true, description: 'Of tokens in prompt and completion; 1: none.' })
  repetitionPenalty?: number | null;

  @Field(() => Float, { nullable: true, description: "OpenAI's, from -2 to 2." })
  presencePenalty?: number | null;

  @Field(() => Float, { nullable: true, description: "OpenAI's, from -2 to 2." })
  frequencyPenalty?: number | null;

  @Field(() => [LogitBiasInput], { nullable: true })
  logitBias?: LogitBiasInput[] | null;

  @Field(() => Float, { nullable: true, description: 'An integer; same seed, same text.' })
  seed?: number | null;

  @Field(() => [String], {
    nullable: true,
    description: 'Up to 4 strings that end the text; they are not part of it.',
  })
  stop?: string[] | null;

  @Field(() => [Int], { nullable: true, description: 'Tokens that end the text; they are not part of it.' })
  stopTokenIds?: number[] | null;

  @Field(() => Int, { nullable: true, description: 'Nothing ends the text before it has this many tokens.' })
  minTokens?: number | null;

  @Field(() => Boolean, { nullable: true, description: 'Go on past the end-of-sequence token.' })
  ignoreEos?: boolean | null;

  @Field(() => Float, { nullable: true, description: 'Seconds after which it fails with deadline_exceeded.' })
  timeout?: number | null;
}

/** The limits of `GenerateInput`: those of REST. */
export const generateInputSchema = z
  .object({
    model: z.string().nullish(),
    prompt: z.string().nullish(),
    messages: z
      .array(z.object({ role: z.enum(GraphqlChatRole), content: z.string() }))
      .min(1)
      .nullish(),
    maxTokens: maxTokensField,
    temperature: samplingFields.temperature,
    topP: samplingFields.top_p,
    topK: z.int().min(0).nullish(),
    minP: samplingFields.min_p,
    repetitionPenalty: samplingFields.repetition_penalty,
    presencePenalty: samplingFields.presence_penalty,
    frequencyPenalty: samplingFields.frequency_penalty,
    logitBias: z.array(z.object({ token: z.int().min(0), bias: biasField })).nullish(),
    seed: samplingFields.seed,
    stop: stopListField.nullish(),
    stopTokenIds: samplingFields.stop_token_ids,
    minTokens: samplingFields.min_tokens,
    ignoreEos: samplingFields.ignore_eos,
    timeout: samplingFields.timeout,
  })
  .check((context) => {
    const { prompt, messages } = context.value;
    if ((prompt == null) === (messages == null)) {
      context.issues.push({
        code: 'custom',
        path: [prompt == null ? 'prompt' : 'messages'],
        message: 'send either prompt or messages',
        input: context.value,
      });
    }
  });

@ObjectType('Usage')
export class GraphqlUsage {
  @Field(() => Int)
  promptTokens!: number;

  @Field(() => Int, {
    description: 'Tokens of the prompt that did not have to be run, because the KV cache held them.',
  })
  cachedTokens!: number;

  @Field(() => Int)
  completionTokens!: number;
}

@ObjectType()
export class GenerateResult {
  @Field()
  text!: string;

  @Field(() => GraphqlFinishReason)
  finishReason!: GraphqlFinishReason;

  @Field({ description: 'The load that answered.' })
  instanceId!: string;

  @Field(() => GraphqlUsage)
  usage!: GraphqlUsage;
}

@ObjectType({
  description: 'A piece of text as the model produces it; the last one has finishReason and usage.',
})
export class GenerateChunk {
  @Field({ description: 'The pieces in order are the whole text.' })
  text!: string;

  @Field()
  instanceId!: string;

  @Field(() => GraphqlFinishReason, { nullable: true })
  finishReason!: GraphqlFinishReason | null;

  @Field(() => GraphqlUsage, { nullable: true })
  usage!: GraphqlUsage | null;
}

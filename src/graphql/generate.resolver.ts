import { Args, Context, Query, Resolver, Subscription } from '@nestjs/graphql';
import type { GenerationEvent, Prompt } from '../engine/types.js';
import { ModelProvider, type CallOptions, type ModelRequest } from '../model/model.provider.js';
import { toGraphQlError } from '../transport/graphql-error.js';
import { toTimeoutMs } from '../transport/timeout-field.js';
import { parseWith } from '../transport/validation.js';
import {
  type ChatMessageInput,
  GenerateChunk,
  GenerateInput,
  GenerateResult,
  GraphqlFinishReason,
  generateInputSchema,
} from './generate.types.js';
import { mapIterator } from './map-iterator.js';

/** Text generation over GraphQL: as one answer, or token by token. */
@Resolver()
export class GenerateResolver {
  constructor(readonly models: ModelProvider) {}

  @Query(() => GenerateResult, {
    description: 'Continues the prompt or the chat and answers when the text is complete.',
  })
  async generate(
    @Args('input') input: GenerateInput,
    @Context('call') options: CallOptions,
  ): Promise<GenerateResult> {
    const generation = await this.models.complete(toModelRequest(input), options);
    return { ...generation, finishReason: GraphqlFinishReason[generation.finishReason] };
  }

  @Subscription(() => GenerateChunk, {
    name: 'generate',
    resolve: (chunk: GenerateChunk) => chunk,
    description:
      'Continues the prompt or the chat, token by token. Ending the subscription ends the generation.',
  })
  generateStream(
    @Args('input') input: GenerateInput,
    @Context('call') options: CallOptions,
  ): AsyncIterableIterator<GenerateChunk> {
    let instanceId = '';
    const events = this.models.generate(toModelRequest(input), options);
    const map = (event: GenerationEvent): GenerateChunk | undefined => {
      if (event.type === 'start') instanceId = event.instanceId;
      return toChunk(event, instanceId);
    };
    return mapIterator(events, map, (error) => toGraphQlError(error));
  }
}

/** Events that say nothing to a subscriber become undefined. */
function toChunk(event: GenerationEvent, instanceId: string): GenerateChunk | undefined {
  switch (event.type) {
    case 'start':
      return undefined;
    case 'token':
      return event.text === ''
        ? undefined
        : { text: event.text, instanceId, finishReason: null, usage: null };
    case 'finish':
      return {
        text: event.text,
        instanceId,
        finishReason: GraphqlFinishReason[event.finishReason],
        usage: event.usage,
      };
    default:
      return event satisfies never;
  }
}

function toModelRequest(input: GenerateInput): ModelRequest {
  const { prompt, messages, logitBias, timeout, ...fields } = parseWith(generateInputSchema, input);
  return {
    ...withoutNulls(fields),
    timeoutMs: toTimeoutMs(timeout),
    prompt: toPrompt(prompt, messages),
    ...(logitBias ? { logitBias: new Map(logitBias.map(({ token, bias }) => [token, bias])) } : {}),
  };
}

/** Exactly one of them is there: the schema has seen to it. */
function toPrompt(text: string | null | undefined, messages: ChatMessageInput[] | null | undefined): Prompt {
  return messages ? { kind: 'chat', messages } : { kind: 'text', text: text ?? '' };
}

type WithoutNulls<T> = { [Key in keyof T]: Exclude<T[Key], null> };

/** In GraphQL null is a way to leave a field out. */
function withoutNulls<T extends object>(fields: T): WithoutNulls<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null)) as WithoutNulls<T>;
}

import { z } from 'zod';
import { isTooDeep } from '../engine/nesting.js';
import type { ChatMessage, ChatToolCall } from '../engine/types.js';
import { unsupportedField } from '../transport/validation.js';

const textPart = z.strictObject({
  type: z.literal('text', { error: 'only text parts are supported' }),
  text: z.string(),
});

const toolCallSchema = z.strictObject({
  id: z.string(),
  type: z.literal('function', { error: "only calls of type 'function' are supported" }),
  function: z.strictObject({ name: z.string(), arguments: z.string() }),
});

const messageSchema = z
  .strictObject({
    role: z.enum(['system', 'developer', 'user', 'assistant', 'tool'], {
      error: ({ input }) => (input === undefined ? 'expected a role, received undefined' : undefined),
    }),
    content: z
      .union([z.string(), z.array(textPart).min(1)], 'must be a string or an array of text parts')
      .nullish()
      .transform((content) =>
        Array.isArray(content) ? content.map(({ text }) => text).join('') : (content ?? undefined),
      ),
    tool_calls: z.array(toolCallSchema).nullish(),
    tool_call_id: z.string().nullish(),
    /** Who speaks: templates that tell participants apart read it. */
    name: z.string().nullish(),
    reasoning_content: unsupportedField(''),
    refusal: unsupportedField(),
    function_call: unsupportedField(),
    audio: unsupportedField(),
  })
  .check(({ value, issues }) => {
    const { role, content, tool_calls: calls, tool_call_id: callId } = value;
    const refuse = (path: string, message: string, input: unknown): void => {
      issues.push({ code: 'custom', path: [path], message, input });
    };
    const isCall = role === 'assistant' && calls != null && calls.length > 0;
    if (content === undefined && !isCall) refuse('content', 'expected content, received undefined', content);
    if (role !== 'assistant' && calls != null && calls.length > 0)
      refuse('tool_calls', 'is for assistants only', calls);
    if (role === 'tool' && callId == null)
      refuse('tool_call_id', 'expected an id, received undefined', callId);
    if (role !== 'tool' && callId != null)
      refuse('tool_call_id', "is for messages of role 'tool' only", callId);
  });

export const messagesField = z.array(messageSchema).min(1).transform(toMessages);

/** As chat templates want them: arguments are objects, and a tool's answer names the tool. */
function toMessages(messages: readonly z.output<typeof messageSchema>[]): ChatMessage[] {
  const names = new Map(
    messages.flatMap(({ tool_calls: calls }) => calls ?? []).map((call) => [call.id, call.function.name]),
  );
  return messages.map(({ role, content = '', tool_calls: calls, tool_call_id: callId, name: said }) => {
    const name = (callId == null ? undefined : names.get(callId)) ?? said ?? undefined;
    return {
      role,
      content,
      ...(calls != null && calls.length > 0 ? { tool_calls: calls.map(toCall) } : {}),
      ...(callId == null ? {} : { tool_call_id: callId }),
      ...(name === undefined ? {} : { name }),
    };
  });
}

function toCall({ id, function: { name, arguments: text } }: z.output<typeof toolCallSchema>): ChatToolCall {
  let value: unknown = text;
  try {
    const parsed: unknown = JSON.parse(text);
    if (!isTooDeep(parsed)) value = parsed;
  } catch {
    // what a model once wrote goes back to it as it was
  }
  return { id, type: 'function', function: { name, arguments: value } };
}

import { z } from 'zod';
import type { Constraint, ToolDefinition } from '../engine/types.js';
import { jsonSchemaField } from './response-format.schema.js';

/** Most calls in one answer that is forced to have some. */
const MOST_CALLS = 8;
const name = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, 'must be up to 64 letters, digits, _ and -');

const toolSchema = z.strictObject({
  type: z.literal('function', { error: "only tools of type 'function' are supported" }),
  function: z.strictObject({
    name,
    description: z.string().nullish(),
    parameters: jsonSchemaField.nullish(),
    /** Arguments are held to the schema where a call is forced; where it is the model's choice, they are as the model writes them. */
    strict: z.boolean().nullish(),
  }),
});

const choiceSchema = z.union(
  [
    z.enum(['none', 'auto', 'required']),
    z.strictObject({ type: z.literal('function'), function: z.strictObject({ name }) }),
  ],
  "must be 'none', 'auto', 'required' or {type: 'function', function: {name}}",
);

export const toolFields = {
  tools: z.array(toolSchema).max(128).nullish(),
  tool_choice: choiceSchema.nullish(),
  parallel_tool_calls: z.boolean().nullish(),
} as const;

type ToolFields = z.output<z.ZodObject<typeof toolFields>>;

/** What a request's tools make of it. */
export interface ToolUse {
  /** As the chat template gets them. */
  readonly tools: readonly ToolDefinition[];
  /** Calls are read out of the answer, at most so many. */
  readonly most: number;
  /** If a call is forced. */
  readonly constraint: Constraint | undefined;
}

/** @returns undefined if there are no tools, or none of them is to be called */
export function toolUse({
  tools,
  tool_choice: choice,
  parallel_tool_calls: parallel,
}: ToolFields): ToolUse | undefined {
  if (!tools || tools.length === 0 || choice === 'none') return undefined;
  const definitions = tools.map(toDefinition);
  const named = typeof choice === 'object' && choice !== null ? choice.function.name : undefined;
  const most = parallel === false || named !== undefined ? 1 : Infinity;
  if (choice === 'auto' || choice == null) return { tools: definitions, most, constraint: undefined };
  const callable = definitions.filter((tool) => named === undefined || tool.function.name === named);
  const constraint = { kind: 'tool-calls', tools: callable, most: Math.min(most, MOST_CALLS) } as const;
  return { tools: definitions, most, constraint };
}

function toDefinition({
  function: { name: called, description, parameters },
}: z.output<typeof toolSchema>): ToolDefinition {
  return {
    type: 'function',
    function: {
      name: called,
      ...(description == null ? {} : { description }),
      ...(parameters == null ? {} : { parameters }),
    },
  };
}

/** The choice must be one of the tools; JSON and a call can't be had at once. */
export function checkTools(
  context: z.core.ParsePayload<
    ToolFields & { readonly response_format?: { readonly type: string } | null | undefined }
  >,
): void {
  const { tools, tool_choice: choice, response_format: format } = context.value;
  const names = (tools ?? []).map((tool) => tool.function.name);
  const refuse = (path: string, message: string, input: unknown): void => {
    context.issues.push({ code: 'custom', path: [path], message, input });
  };
  if (new Set(names).size < names.length) refuse('tools', 'has two functions of the same name', tools);
  if (choice === 'required' && names.length === 0)
    refuse('tool_choice', "is 'required', but there are no tools", choice);
  if (typeof choice === 'object' && choice !== null && !names.includes(choice.function.name)) {
    refuse('tool_choice', `names '${choice.function.name}', which is none of the tools`, choice);
  }
  if (format && format.type !== 'text' && names.length > 0 && choice !== 'none') {
    refuse(
      'response_format',
      'cannot be had together with tools that may be called; set tool_choice to none',
      format,
    );
  }
}

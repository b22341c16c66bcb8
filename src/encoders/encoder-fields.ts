import { z } from 'zod';
import { timeoutField, toTimeoutMs } from '../transport/timeout-field.js';

/** Most texts of one request; OpenAI's limit. */
export const MOST_INPUTS = 2048;

export const textField = z.string().min(1);
export const tokensField = z.array(z.int().min(0)).min(1);
export const modelField = z.string().describe('Name of the model, or one of its other names.');

/** What every call of an encoder may say besides its texts. */
export const encoderFields = {
  truncate: z
    .boolean()
    .nullish()
    .describe('Cut what is longer than the model takes, at its end, instead of refusing it. Default: false.'),
  timeout: timeoutField,
} as const;

export const userField = z
  .string()
  .nullish()
  .describe('Whoever asks: the model is shared out evenly between users. Default: the address.');

export const rawScoresField = z.boolean().nullish();

/** The encoder's names of {@link encoderFields}. */
export function toEncoderOptions({ truncate, timeout }: z.output<z.ZodObject<typeof encoderFields>>) {
  return { truncate: truncate ?? undefined, timeoutMs: toTimeoutMs(timeout) };
}

export const encoderUsageSchema = z.strictObject({
  prompt_tokens: z.int().describe('Of all texts, with special tokens and prompts, after truncation.'),
  total_tokens: z.int(),
});

/** `usage` of a call that generates nothing. */
export function formatEncoderUsage(promptTokens: number): z.output<typeof encoderUsageSchema> {
  return { prompt_tokens: promptTokens, total_tokens: promptTokens };
}

/**
 * Two names of one field, of which a request says exactly one.
 * @param names the first is the one that is said to be missing
 */
export function exactlyOne<Name extends string>(...names: readonly [Name, Name]) {
  return (context: z.core.ParsePayload<{ readonly [Key in Name]?: unknown }>): void => {
    const [first, second] = names;
    const isSaid = (name: Name): boolean => context.value[name] !== undefined;
    if (isSaid(first) !== isSaid(second)) return;
    const message = isSaid(first)
      ? `is the same as ${first}; send one of them`
      : `expected ${first} or ${second}, received undefined`;
    context.issues.push({
      code: 'custom',
      path: [isSaid(first) ? second : first],
      message,
      input: context.value[second],
    });
  };
}

import { parseArgs, type ParseArgsConfig } from 'node:util';
import { UsageError } from './usage-error.js';

type Options = NonNullable<ParseArgsConfig['options']>;
/** What `parseArgs` makes of them. */
type Parsed<Given extends Options> = ReturnType<
  typeof parseArgs<{ args: string[]; allowPositionals: true; options: Given }>
>;

/**
 * Reads what was typed behind a command's name.
 * @param hint a sentence that says where the options are told
 * @throws UsageError in one sentence
 */
export function parseWords<Given extends Options>(
  args: readonly string[],
  options: Given,
  hint: string,
): Parsed<Given> {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    const [sentence] = (error as Error).message.split(/\.\s/, 1);
    throw new UsageError(`${sentence}. ${hint}`);
  }
}

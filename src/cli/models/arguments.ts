import { DTYPES, TASKS, type Dtype, type Task } from '../../engine/types.js';
import { parseWords } from '../parse-words.js';
import { UsageError } from '../usage-error.js';

export const USAGE = `usage: npm run models -- COMMAND

  list        the models in the cache: size, dtypes, commit, last use, and who is configured to use them
  pull WHAT   downloads a model, or brings it to what the hub has now
              --dtype DTYPE   its weights; default: those of the configuration, else the best for this machine
  check WHAT  compares the files with what the hub said of them, then loads the model and tells where it runs
              --task TASK     what a model that isn't configured does; without it, it isn't loaded
  rm WHAT     deletes a model from the cache, unless it is in use
              --force         even then

  WHAT is the name of a configured model, or a Hugging Face id: owner/name, owner/name@revision; for check also a folder
`;

export type ModelsCommand =
  | { readonly kind: 'help' }
  | { readonly kind: 'list' }
  | { readonly kind: 'pull'; readonly what: string; readonly dtype: Dtype | undefined }
  | { readonly kind: 'check'; readonly what: string; readonly task: Task | undefined }
  | { readonly kind: 'rm'; readonly what: string; readonly force: boolean };

const HINT = 'npm run models -- --help tells the commands.';

const ALL_OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  dtype: { type: 'string' },
  task: { type: 'string' },
  force: { type: 'boolean' },
} as const;

/** Options that a command takes. */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  list: [],
  pull: ['dtype'],
  check: ['task'],
  rm: ['force'],
};

/** @throws UsageError */
export function parseCommand(args: readonly string[]): ModelsCommand {
  const { values, positionals } = parseWords(args, ALL_OPTIONS, HINT);
  const { help = false, ...given } = values;
  if (help || args.length === 0) return { kind: 'help' };
  const [name = '', what, tooMuch] = positionals;
  if (positionals.length === 0) throw new UsageError(`There is no command. ${HINT}`);
  const options = Object.hasOwn(OPTIONS, name) ? OPTIONS[name] : undefined;
  if (!options) throw new UsageError(`There is no command '${name}'. ${HINT}`);
  const stray = Object.keys(given).find((option) => !options.includes(option));
  if (stray !== undefined) throw new UsageError(`'${name}' has no option --${stray}. ${HINT}`);
  const extra = name === 'list' ? what : tooMuch;
  if (extra !== undefined) throw new UsageError(`'${extra}' is one word too many. ${HINT}`);
  if (name === 'list') return { kind: 'list' };
  if (what === undefined)
    throw new UsageError(
      `'${name}' needs the name of a configured model or a Hugging Face id. 'npm run models -- list' tells what there is.`,
    );
  if (name === 'pull') return { kind: 'pull', what, dtype: oneOf('dtype', DTYPES, values.dtype) };
  if (name === 'check') return { kind: 'check', what, task: oneOf('task', TASKS, values.task) };
  return { kind: 'rm', what, force: values.force ?? false };
}

function oneOf<T extends string>(
  option: string,
  all: readonly T[],
  value: string | undefined,
): T | undefined {
  const known = all.find((each) => each === value);
  if (value === undefined || known !== undefined) return known;
  throw new UsageError(`--${option} must be one of ${all.join(', ')}, not '${value}'.`);
}

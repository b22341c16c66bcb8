import { parseWords } from '../parse-words.js';
import { UsageError } from '../usage-error.js';

export const USAGE = `usage: npm run batch -- COMMAND

  FILE, run FILE   runs the lines of a file and waits for the results
                   --endpoint PATH   what its lines ask for, e.g. /v1/embeddings
                   --output FILE     where the results go; default: the outbox
  run ID           waits for a batch that is there; runs it if no server does
  list             the newest batches   --limit N   so many; default: 20
  show ID          one batch: how far it is, who works on it, where its results are
  cancel ID        leaves out the lines that aren't answered yet
`;

export type BatchCommand =
  | { readonly kind: 'help' }
  | { readonly kind: 'list'; readonly limit: number }
  | { readonly kind: 'show' | 'cancel'; readonly id: string }
  | {
      readonly kind: 'run';
      /** A file, or the id of a batch. */
      readonly what: string;
      readonly endpoint: string | undefined;
      readonly output: string | undefined;
    };

const MOST_LISTED = 1000;
const HINT = 'npm run batch -- --help tells the commands.';

const ALL_OPTIONS = {
  help: { type: 'boolean', short: 'h' },
  limit: { type: 'string' },
  endpoint: { type: 'string' },
  output: { type: 'string' },
} as const;

/** Options that a command takes. */
const OPTIONS: Readonly<Record<string, readonly string[]>> = {
  list: ['limit'],
  show: [],
  cancel: [],
  run: ['endpoint', 'output'],
};

/** @throws UsageError */
export function parseCommand(args: readonly string[]): BatchCommand {
  const { values, positionals } = parseWords(args, ALL_OPTIONS, HINT);
  if (values.help === true || (args.length === 0 && positionals.length === 0)) return { kind: 'help' };
  const [first = '', ...others] = positionals;
  const isCommand = Object.hasOwn(OPTIONS, first);
  const name = isCommand ? first : 'run';
  const [subject, tooMuch] = isCommand ? others : positionals;
  const stray = Object.keys(values).find((option) => !OPTIONS[name]?.includes(option));
  if (stray !== undefined) throw new UsageError(`'${name}' has no option --${stray}. ${HINT}`);
  if (tooMuch !== undefined)
    throw new UsageError(`There is '${tooMuch}' too much. Put names with blanks in quotes. ${HINT}`);
  switch (name) {
    case 'list':
      if (subject !== undefined)
        throw new UsageError(`'list' takes no name. Did you mean 'show ${subject}'?`);
      return { kind: 'list', limit: parseLimit(values.limit) };
    case 'show':
    case 'cancel':
      if (subject === undefined)
        throw new UsageError(`'${name}' needs the id of a batch. 'npm run batch -- list' tells the ids.`);
      return { kind: name, id: subject };
    default:
      if (subject === undefined) throw new UsageError(`'run' needs a file, or the id of a batch. ${HINT}`);
      return { kind: 'run', what: subject, endpoint: values.endpoint, output: values.output };
  }
}

function parseLimit(text = '20'): number {
  const limit = Number(text);
  if (Number.isInteger(limit) && limit >= 1 && limit <= MOST_LISTED) return limit;
  throw new UsageError(`--limit must be a number from 1 to ${MOST_LISTED}, not '${text}'.`);
}

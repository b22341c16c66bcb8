/**
 * What does it cost to hold a text to a JSON schema? The same engine decodes as many tokens with and without, in turns.
 * `npm run bench:constrained -- --model tales --rounds 5`
 */
import { parseArgs } from 'node:util';
import { EngineSupervisor } from '../src/engine/client/engine-supervisor.js';
import type { Constraint, GenerationRequest } from '../src/engine/types.js';
import { commandLine, wholeNumber } from './support/arguments.js';
import { formatTable } from './support/markdown-table.js';
import { report } from './support/report.js';
import { median } from './support/statistics.js';
import { createTemporaryFolder } from './support/temporary-folder.js';
import { chooseSubjects, KINDS, type Subject } from './throughput/subjects.js';

const STREAMS = [1, 16];
const NEW_TOKENS = 128;

/** More than the tokens of a request can write: it never ends early. */
const ENDLESS = {
  type: 'array',
  minItems: 60,
  items: {
    type: 'object',
    additionalProperties: false,
    required: ['name', 'age', 'kind'],
    properties: {
      name: { type: 'string', maxLength: 40 },
      age: { type: 'integer', minimum: 0, maximum: 120 },
      kind: { enum: ['king', 'queen', 'prince', 'princess'] },
      note: { type: 'string' },
    },
  },
};

const VARIANTS: readonly { readonly title: string; readonly constraint?: Constraint }[] = [
  { title: 'free' },
  { title: 'JSON schema', constraint: { kind: 'json-schema', schema: ENDLESS } },
  { title: 'JSON object', constraint: { kind: 'json' } },
];

interface Result {
  readonly subject: string;
  readonly streams: number;
  readonly title: string;
  readonly tokensPerSecond: number;
  /** Of the speed of the free text. */
  readonly ratio: number;
}

async function startEngine({ name, folder }: Subject): Promise<EngineSupervisor> {
  const nothing = (): void => undefined;
  const engine = new EngineSupervisor({
    spec: { name, source: folder, task: 'text-generation', device: 'auto', dtype: 'auto' },
    hub: { endpoint: 'https://huggingface.co', cacheDir: createTemporaryFolder() },
    log: { info: nothing, warn: nothing, debug: nothing },
  });
  await engine.load();
  return engine;
}

/** @returns tokens per second of all streams together, prompts included */
async function decode(
  engine: EngineSupervisor,
  streams: number,
  constraint: Constraint | undefined,
): Promise<number> {
  const started = performance.now();
  const counts = await Promise.all(
    Array.from({ length: streams }, async (_, seed) => {
      const request: GenerationRequest = {
        prompt: { kind: 'text', text: 'Once upon a time there was a king.' },
        temperature: 1,
        topP: 1,
        ignoreEos: true,
        maxTokens: NEW_TOKENS,
        seed,
        constraint,
      };
      for await (const event of engine.generate(request, {})) {
        if (event.type === 'finish') return event.usage.completionTokens;
      }
      return 0;
    }),
  );
  const tokens = counts.reduce((sum, count) => sum + count, 0);
  return tokens / ((performance.now() - started) / 1000);
}

async function measure(subject: Subject, rounds: number): Promise<Result[]> {
  const engine = await startEngine(subject);
  try {
    const results: Result[] = [];
    for (const streams of STREAMS) {
      const speeds = VARIANTS.map((variant) => ({ ...variant, measured: [] as number[] }));
      // the first round is a warm-up
      for (let round = 0; round <= rounds; round++) {
        for (const { constraint, measured } of speeds) {
          const speed = await decode(engine, streams, constraint);
          if (round > 0) measured.push(speed);
        }
      }
      const free = median(speeds[0]?.measured ?? []);
      for (const { title, measured } of speeds) {
        const tokensPerSecond = median(measured);
        results.push({
          subject: subject.title,
          streams,
          title,
          tokensPerSecond,
          ratio: tokensPerSecond / free,
        });
      }
    }
    return results;
  } finally {
    await engine.stop();
  }
}

const { values } = parseArgs({
  options: {
    model: { type: 'string', default: 'tales' },
    kinds: { type: 'string', default: KINDS.join(',') },
    rounds: { type: 'string', default: '5' },
  },
});
const rounds = wholeNumber('rounds', values.rounds);
const results: Result[] = [];
for (const subject of await chooseSubjects(values.model, values.kinds))
  results.push(...(await measure(subject, rounds)));
report({
  name: values.model === 'tales' ? 'constrained' : `constrained-${values.model}`,
  title: 'What constrained decoding costs',
  command: commandLine('bench:constrained', process.argv.slice(2)),
  intro:
    `Streams of ${NEW_TOKENS} tokens at temperature 1, free and held to a grammar, in turns in one engine; medians of ${rounds} rounds. ` +
    'A text that is complete before its last token ends earlier.',
  body: formatTable<Result>(
    [
      { title: 'model', cell: ({ subject }) => subject },
      { title: 'streams', cell: ({ streams }) => String(streams), align: 'right' },
      { title: 'text', cell: ({ title }) => title },
      { title: 'tokens/s', cell: ({ tokensPerSecond }) => tokensPerSecond.toFixed(0), align: 'right' },
      { title: 'of free', cell: ({ ratio }) => `${(ratio * 100).toFixed(1)} %`, align: 'right' },
    ],
    results,
  ),
});

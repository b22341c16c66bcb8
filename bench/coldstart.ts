/**
 * How long does a function take from the start of its process to its first answer, and where does that time go?
 * `npm run bench:coldstart -- --rounds 9`
 */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { makeSubjects, type Subject } from './coldstart/subjects.js';
import { commandLine, wholeNumber } from './support/arguments.js';
import { startBusyMeter } from './support/machine.js';
import { formatTable } from './support/markdown-table.js';
import { report } from './support/report.js';
import { median } from './support/statistics.js';
import { createTemporaryFolder } from './support/temporary-folder.js';

/** What a function URL sends: one token, please. */
const EVENT = {
  version: '2.0',
  rawPath: '/v1/completions',
  rawQueryString: '',
  headers: { 'content-type': 'application/json', host: 'localhost' },
  requestContext: { http: { method: 'POST', path: '/v1/completions', sourceIp: '203.0.113.7' } },
  body: JSON.stringify({ model: 'tales', prompt: 'Once upon a time', max_tokens: 1, temperature: 0 }),
  isBase64Encoded: false,
};

/** What `coldstart/probe.mjs` tells; times in milliseconds since its process was asked for. */
interface ColdStart {
  readonly startedMs: number;
  readonly importedMs: number;
  readonly answeredMs: number;
  readonly cpuMs: number;
  readonly rssBytes: number;
  readonly text: string;
}

function run(program: string, environment: Subject['environment'], cwd?: string): unknown {
  const file = fileURLToPath(new URL(`coldstart/${program}`, import.meta.url));
  const output = execFileSync(process.execPath, [file], {
    ...(cwd === undefined ? {} : { cwd }),
    env: {
      PATH: process.env['PATH'],
      HOME: process.env['HOME'],
      ...environment,
      EVENT: JSON.stringify(EVENT),
      SPAWNED_AT: String(performance.timeOrigin + performance.now()),
    },
    encoding: 'utf8',
  });
  return JSON.parse(output);
}

interface Measured {
  readonly subject: Subject;
  readonly starts: ColdStart[];
}

function middle({ starts }: Measured, value: (start: ColdStart) => number): number {
  return median(starts.map(value));
}

/** Everything takes turns; the first round fills caches of the disk and counts for nothing. */
function measure(
  subjects: readonly Subject[],
  environment: Subject['environment'],
  rounds: number,
): { measured: Measured[]; parts: Record<string, number>[] } {
  const measured = subjects.map((subject): Measured => ({ subject, starts: [] }));
  const parts: Record<string, number>[] = [];
  for (let round = 0; round <= rounds; round++) {
    for (const { subject, starts } of measured) {
      const start = run(
        'probe.mjs',
        { ...subject.environment, ENTRY: subject.entry },
        subject.cwd,
      ) as ColdStart;
      if (round > 0) starts.push(start);
    }
    const each = run('parts.mjs', environment) as Record<string, number>;
    if (round > 0) parts.push(each);
    process.stderr.write(`round ${round} of ${rounds}\n`);
  }
  return { measured, parts };
}

const whole = (value: number): string => value.toFixed(0);
const megabytes = (bytes: number): string => whole(bytes / 2 ** 20);

function formatStarts(measured: readonly Measured[]): string {
  const fastest = Math.min(...measured.slice(0, 2).map((one) => middle(one, ({ answeredMs }) => answeredMs)));
  return formatTable<Measured>(
    [
      { title: 'handler', cell: ({ subject }) => subject.name },
      {
        title: 'Node.js runs, ms',
        align: 'right',
        cell: (one) => whole(middle(one, ({ startedMs }) => startedMs)),
      },
      {
        title: 'imported, ms',
        align: 'right',
        cell: (one) => whole(middle(one, ({ importedMs }) => importedMs)),
      },
      {
        title: 'answered, ms',
        align: 'right',
        cell: (one) => `**${whole(middle(one, ({ answeredMs }) => answeredMs))}**`,
      },
      {
        title: 'of the faster baseline',
        align: 'right',
        cell: (one) => (middle(one, ({ answeredMs }) => answeredMs) / fastest).toFixed(2),
      },
      { title: 'CPU, ms', align: 'right', cell: (one) => whole(middle(one, ({ cpuMs }) => cpuMs)) },
      { title: 'RSS, MB', align: 'right', cell: (one) => megabytes(middle(one, ({ rssBytes }) => rssBytes)) },
      {
        title: 'fastest to slowest, ms',
        cell: ({ starts }) => {
          const all = starts.map(({ answeredMs }) => answeredMs);
          return `${whole(Math.min(...all))} to ${whole(Math.max(...all))}`;
        },
      },
    ],
    measured,
  );
}

function formatParts(parts: readonly Record<string, number>[]): string {
  const names = Object.keys(parts[0] ?? {});
  const rows = names.map((name) => ({ name, ms: median(parts.map((each) => each[name] ?? 0)) }));
  const total = rows.reduce((sum, { ms }) => sum + ms, 0);
  return formatTable<{ name: string; ms: number }>(
    [
      { title: 'part', cell: ({ name }) => name },
      { title: 'ms', align: 'right', cell: ({ ms }) => whole(ms) },
      { title: 'share', align: 'right', cell: ({ ms }) => `${((100 * ms) / total).toFixed(0)} %` },
    ],
    [...rows, { name: 'together', ms: total }],
  );
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '9' } } });
const rounds = wholeNumber('rounds', values.rounds);
const { subjects, environment } = await makeSubjects(createTemporaryFolder());
const busy = startBusyMeter();
const { measured, parts } = measure(subjects, environment, rounds);
const texts = new Set(measured.map(({ starts }) => starts[0]?.text));
const packageBytes = subjects.map((subject) => subject.packageBytes ?? 0).find((bytes) => bytes > 0) ?? 0;
report({
  name: 'coldstart',
  title: 'Cold starts',
  command: commandLine('bench:coldstart', process.argv.slice(2)),
  intro: [
    'From the start of a process to the first answer of its Lambda handler: one token of the embedded model `tales`, 8-bit, for a prompt of',
    `five. Medians of ${rounds} fresh processes each, which took turns; files were in the disk's cache, which in a real cold start they are not.`,
    `The cores of the machine were ${whole(busy() * 100)} % busy meanwhile, with everything that ran on it.`,
    `All handlers gave ${texts.size === 1 ? 'the same token' : `different tokens: ${[...texts].map((text) => JSON.stringify(text)).join(', ')}`}.`,
    `The package unpacks to ${megabytes(packageBytes)} MB.`,
  ].join('\n'),
  body: [
    formatStarts(measured),
    '"Imported" includes the load of the model where the handler begins it at the top of its module, as the packaged one does.',
    '## Where the time of "Resident, as installed" goes',
    formatParts(parts),
    'Medians of each part, done one after the other, so that the sum is a little more than the handler takes. In the package, imports are a few files instead of hundreds.',
  ].join('\n\n'),
});

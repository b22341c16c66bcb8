/**
 * Does the server answer while the model generates? Probes `GET /health/live` of Resident, and of a naive Transformers.js
 * server, during generations: `npm run bench:eventloop -- --rounds 5`
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { formatComparison, type Comparison, type Period, type Series } from './eventloop-figures.js';
import type { ChildServer } from './support/child-server.js';
import { complete, type Completion } from './support/completion.js';
import { startBusyMeter } from './support/machine.js';
import { probeDuring } from './support/probe.js';
import { report } from './support/report.js';
import { startNaive, startResident } from './support/servers.js';

const PROBE_EVERY_MS = 10;
const IDLE_MS = 1000;
const WARM_UP_TOKENS = 64;
const TARGET_P99_MS = 25;

interface Load {
  readonly title: string;
  /** Generated at the same time. */
  readonly prompts: readonly string[];
  readonly maxTokens: number;
}

/** A prompt's forward pass is as long as the prompt: it is where a server that runs the model itself stalls most. */
const LONG_TEXT = 'There was a king who had a daughter, and she went out into the wood. '.repeat(50);

const LOADS: readonly Load[] = [
  { title: 'One generation of 500 tokens', prompts: ['Once upon a time'], maxTokens: 500 },
  {
    title: 'Four generations of 200 tokens at a time',
    prompts: ['Once upon a time', 'One day, a little girl', 'There was a small dog', 'In the forest lived'],
    maxTokens: 200,
  },
  {
    title: 'Four long prompts (about 850 tokens) at a time, 16 tokens each',
    prompts: ['Alder', 'Birch', 'Cedar', 'Elm'].map((name) => `${LONG_TEXT}The ${name}`),
    maxTokens: 16,
  },
];

interface Servers {
  readonly resident: ChildServer;
  readonly naive: ChildServer;
}

async function measure(server: ChildServer, work: () => Promise<readonly Completion[]>): Promise<Period> {
  const machineBusy = startBusyMeter();
  const { result, ...probed } = await probeDuring(`${server.url}/health/live`, PROBE_EVERY_MS, work);
  return { completions: result, ...probed, machineBusy: machineBusy() };
}

async function measureIdle(server: ChildServer): Promise<Period> {
  return measure(server, () => sleep(IDLE_MS, []));
}

async function measureGenerating(
  server: ChildServer,
  prompts: readonly string[],
  maxTokens: number,
): Promise<Period> {
  return measure(server, () => Promise.all(prompts.map((prompt) => complete(server.url, prompt, maxTokens))));
}

/** The servers take turns, so that whatever else the machine does meets both. */
async function compare({ resident, naive }: Servers, load: Load, rounds: number): Promise<Comparison> {
  const comparison = { resident: emptySeries(resident), naive: emptySeries(naive) };
  const turns = [
    { server: resident, series: comparison.resident },
    { server: naive, series: comparison.naive },
  ];
  for (let round = 1; round <= rounds; round++) {
    process.stderr.write(`${load.title}: round ${round} of ${rounds}\n`);
    for (const { server, series } of turns) {
      series.idle.push(await measureIdle(server));
      series.generating.push(await measureGenerating(server, load.prompts, load.maxTokens));
    }
  }
  return comparison;
}

function emptySeries({ name }: ChildServer): Series {
  return { server: name, idle: [], generating: [] };
}

async function run(rounds: number): Promise<string> {
  const servers = { resident: await startResident(), naive: await startNaive() };
  try {
    for (const server of Object.values(servers)) {
      await measureGenerating(server, ['Once upon a time'], WARM_UP_TOKENS);
    }
    const sections: string[] = [];
    for (const load of LOADS) {
      const comparison = await compare(servers, load, rounds);
      sections.push(`## ${load.title}\n\n${formatComparison(comparison, TARGET_P99_MS)}`);
    }
    return sections.join('\n\n');
  } finally {
    await Promise.all(Object.values(servers).map((server) => server.stop()));
  }
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } });
const rounds = Number(values.rounds);
if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds must be a whole number above 0');

report({
  name: 'eventloop',
  title: 'Health checks while the model generates',
  command: `npm run bench:eventloop -- --rounds ${rounds}`,
  intro: [
    `\`GET /health/live\` every ${PROBE_EVERY_MS} ms, sent on schedule whether or not earlier probes were answered, and timed`,
    `from when each was due. "naive" is a Transformers.js pipeline in the process that also answers HTTP`,
    `(\`bench/naive-server.ts\`). Both servers are up all the time and take turns, ${rounds} rounds each; they and the probes share`,
    'the machine. Every generation is greedy.',
  ].join(' '),
  body: await run(rounds),
});

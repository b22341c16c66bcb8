/**
 * What batches cost and how fast they are, apart from models: a million lines through one server, two servers beside one, and
 * how people fare meanwhile. `npm run bench:batches -- --lines 1000000 --only million,servers,interactive`
 */
import { parseArgs } from 'node:util';
import { describeBackground, measureBackground } from './background/measure.js';
import { ANSWERERS, measureBigBatch, type BigBatchFigures } from './batches/big-batch.js';
import { formatBigBatches, formatSharedBatches } from './batches/figures.js';
import { measureSharedBatch, type SharedBatchFigures } from './batches/shared-batch.js';
import { chooseAmong, commandLine, wholeNumber } from './support/arguments.js';
import { report } from './support/report.js';
import { chooseSubjects } from './throughput/subjects.js';
import { HAS_POSTGRES } from '../test/support/postgres.js';
import { HAS_REDIS } from '../test/support/redis.js';
import { INSTALL_SERVICES } from '../test/support/service-process.js';

const SECTIONS = ['million', 'servers', 'interactive'] as const;
type Section = (typeof SECTIONS)[number];

/** Through an engine process each line is two messages more: a tenth of the lines shows what they cost. */
const ENGINE_SHARE = 10;
const SHARED_ENGINE = { latencyMs: 20, rows: 8 } as const;
const SHARED_LINES = 10_000;

const { values } = parseArgs({
  options: {
    lines: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '3' },
    requests: { type: 'string', default: '20' },
    only: { type: 'string', default: SECTIONS.join(',') },
    /** Folder for a CPU profile of the server that runs the million lines. */
    profile: { type: 'string' },
  },
});
const lines = wholeNumber('lines', values.lines);
const rounds = wholeNumber('rounds', values.rounds);

async function measureMillion(): Promise<string> {
  const results: BigBatchFigures[] = [];
  for (const answerer of ANSWERERS) {
    const count = answerer === 'engine-process' ? Math.ceil(lines / ENGINE_SHARE) : lines;
    results.push(await measureBigBatch({ answerer, lines: count, profile: values.profile }));
  }
  return formatBigBatches(results);
}

async function measureServers(): Promise<string> {
  if (!(HAS_POSTGRES && HAS_REDIS)) return `Skipped: Postgres and Redis are missing (${INSTALL_SERVICES}).`;
  const results: SharedBatchFigures[] = [];
  for (let round = 1; round <= rounds; round++) {
    for (const servers of [1, 2]) {
      process.stderr.write(`${servers} servers, round ${round} of ${rounds}\n`);
      results.push(await measureSharedBatch(servers, SHARED_LINES, SHARED_ENGINE));
    }
  }
  const { latencyMs, rows } = SHARED_ENGINE;
  const shape = `${SHARED_LINES} lines; each server has an engine of ${rows} rows that takes ${latencyMs} ms for a line. ${rounds} rounds in turn, medians.`;
  return `${shape}\n\n${formatSharedBatches(results)}`;
}

async function measureInteractive(): Promise<string> {
  const [subject] = await chooseSubjects('tales', '');
  if (!subject) throw new Error('there is no model');
  const figures = await measureBackground(subject, rounds, wholeNumber('requests', values.requests));
  return `${describeBackground(rounds)}\n\n${figures}`;
}

function measure(section: Section): Promise<string> {
  switch (section) {
    case 'million':
      return measureMillion();
    case 'servers':
      return measureServers();
    case 'interactive':
      return measureInteractive();
    default:
      return section satisfies never;
  }
}

const TITLES: Readonly<Record<Section, string>> = {
  million: 'Many short lines through one server on SQLite',
  servers: 'Two servers on one Postgres and one Redis',
  interactive: 'People beside a batch, with the embedded model',
};

const sections: string[] = [];
for (const section of chooseAmong('only', values.only, SECTIONS))
  sections.push(`## ${TITLES[section]}\n\n${await measure(section)}`);
report({
  name: 'batches',
  title: 'Batches',
  command: commandLine('bench:batches', process.argv.slice(2)),
  intro:
    'Everything goes through the REST API: upload, create, wait, download; every line of the output is looked at. Machines are noisy: trust the ratios.',
  body: sections.join('\n\n'),
});

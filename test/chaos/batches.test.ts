import { expect, it } from 'vitest';
import type { Victim } from '../support/batch-chaos/attacks.js';
import { runCampaign } from '../support/batch-chaos/campaign.js';
import type { RoundReport } from '../support/batch-chaos/round.js';
import type { SystemShape } from '../support/batch-chaos/system.js';
import { HAS_POSTGRES } from '../support/postgres.js';
import { HAS_REDIS } from '../support/redis.js';
import { INSTALL_SERVICES } from '../support/service-process.js';

const LINES = 400;
const SCRIPTED = { latencyMs: 150, jitter: 0.9, rows: 64 } as const;
/** A round that hangs says so first. */
const LONGEST_MS = 120_000;
const HAS_SERVICES = HAS_POSTGRES && HAS_REDIS;

/** One round for each victim: `npm run chaos` runs as many as it is told, larger batches, and the model that comes with it. */
function roundsOf(shape: SystemShape, victims: readonly Victim[]): Promise<RoundReport[]> {
  return runCampaign({ shape, rounds: victims.length, lines: LINES, victims, seed: 'test' });
}

function expectAllWell(reports: readonly RoundReport[]): void {
  expect(reports.map(({ name, problems }) => ({ name, problems }))).toEqual(
    reports.map(({ name }) => ({ name, problems: [] })),
  );
  // a round in which nothing was killed while the batch ran shows nothing
  expect(
    reports.flatMap(({ kills }) => kills).filter(({ resumedMs }) => resumedMs !== undefined),
  ).not.toEqual([]);
}

// at the same time: most of it is waiting for leases to run out
it.concurrent(
  'one server on SQLite: kill it, or its engine, at any moment, and every line is answered once and in order',
  async () => {
    const shape: SystemShape = { storage: 'sqlite', servers: 1, engine: SCRIPTED };
    expectAllWell(await roundsOf(shape, ['engine', 'server']));
  },
  LONGEST_MS,
);

it.skipIf(!HAS_SERVICES).concurrent(
  `two servers on one Postgres and one Redis: kill one of them, an engine, Redis or Postgres (skipped where they are missing: ${INSTALL_SERVICES})`,
  async () => {
    const shape: SystemShape = { storage: 'shared', servers: 2, engine: SCRIPTED };
    expectAllWell(await roundsOf(shape, ['engine', 'server', 'redis', 'postgres']));
  },
  LONGEST_MS,
);

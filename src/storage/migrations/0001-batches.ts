import { sql, type Kysely } from 'kysely';
import type { DatabaseEngine } from '../database.js';

/** Files, batches, their chunks and results, schedules, workers. Never changed once released: what comes later is another migration. */
export async function createBatches(db: Kysely<unknown>, engine: DatabaseEngine): Promise<void> {
  const { schema } = db;
  await schema
    .createTable('files')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('purpose', 'text', (column) => column.notNull())
    .addColumn('filename', 'text', (column) => column.notNull())
    .addColumn('bytes', 'bigint', (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('expires_at', 'bigint')
    .execute();
  await createBatchTable(db, engine);
  await schema
    .createTable('chunks')
    .addColumn('batch', 'integer', (column) => column.notNull())
    .addColumn('number', 'integer', (column) => column.notNull())
    .addColumn('first_line', 'integer', (column) => column.notNull())
    .addColumn('lines', 'integer', (column) => column.notNull())
    .addColumn('byte_start', 'bigint', (column) => column.notNull())
    .addColumn('byte_length', 'bigint', (column) => column.notNull())
    .addColumn('state', 'text', (column) => column.notNull().defaultTo('open'))
    .addColumn('lease_owner', 'text')
    .addColumn('lease_until', 'bigint', (column) => column.notNull().defaultTo(0))
    .addColumn('attempts', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('answered', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('failed', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('prompt_tokens', 'bigint', (column) => column.notNull().defaultTo(0))
    .addColumn('cached_tokens', 'bigint', (column) => column.notNull().defaultTo(0))
    .addColumn('completion_tokens', 'bigint', (column) => column.notNull().defaultTo(0))
    .addColumn('model', 'text')
    .addPrimaryKeyConstraint('chunks_key', ['batch', 'number'])
    .execute();
  await schema
    .createTable('results')
    .addColumn('batch', 'integer', (column) => column.notNull())
    .addColumn('line', 'integer', (column) => column.notNull())
    .addColumn('failed', 'integer', (column) => column.notNull())
    .addColumn('body', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('results_key', ['batch', 'line'])
    // SQLite keeps the rows in the order of the key then, without a second tree
    .$call((table) => (engine === 'sqlite' ? table.modifyEnd(sql`without rowid`) : table))
    .execute();
  await createScheduleTables(db);
  await schema.createIndex('chunks_open').on('chunks').columns(['state', 'batch', 'number']).execute();
  await schema.createIndex('batches_status').on('batches').column('status').execute();
  await createUniqueIndexes(db);
  await schema.createIndex('files_created').on('files').columns(['created_at', 'id']).execute();
}

async function createBatchTable({ schema }: Kysely<unknown>, engine: DatabaseEngine): Promise<void> {
  let table = schema
    .createTable('batches')
    .addColumn('seq', 'integer', (column) =>
      engine === 'sqlite'
        ? column.primaryKey().autoIncrement()
        : column.primaryKey().generatedByDefaultAsIdentity(),
    )
    .addColumn('id', 'text', (column) => column.notNull().unique());
  for (const name of ['endpoint', 'line_format', 'completion_window', 'status', 'ending'])
    table = table.addColumn(name, 'text', (column) => column.notNull());
  for (const name of [
    'input_file_id',
    'input_path',
    'input_version',
    'plain_key',
    'metadata',
    'model',
    'errors',
    'output_file_id',
    'error_file_id',
    'delivery',
    'results_path',
    'schedule_id',
    'lease_owner',
  ])
    table = table.addColumn(name, 'text');
  for (const name of ['total', 'lease_until', 'rate_lines', ...TOKENS])
    table = table.addColumn(name, 'bigint', (column) => column.notNull().defaultTo(0));
  for (const name of ['completed', 'failed', 'output_expires_seconds', ...TIMES])
    table = table.addColumn(name, 'bigint');
  await table
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('rate', 'double precision')
    .addColumn('purged', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
}

/** What must not happen twice, whoever does it. */
async function createUniqueIndexes({ schema }: Kysely<unknown>): Promise<void> {
  const unfinished = sql<boolean>`status in ('validating', 'in_progress', 'finalizing', 'cancelling')`;
  for (const column of ['input_path', 'results_path'])
    await schema
      .createIndex(`batches_${column}`)
      .unique()
      .on('batches')
      .column(column)
      .where(unfinished)
      .execute();
  await schema
    .createIndex('batches_run')
    .unique()
    .on('batches')
    .columns(['schedule_id', 'schedule_run_at'])
    .execute();
}

const TOKENS = ['prompt_tokens', 'cached_tokens', 'completion_tokens'] as const;

const TIMES = [
  'in_progress_at',
  'finalizing_at',
  'completed_at',
  'failed_at',
  'expired_at',
  'cancelling_at',
  'cancelled_at',
  'expires_at',
  'schedule_run_at',
  'rate_at',
] as const;

async function createScheduleTables({ schema }: Kysely<unknown>): Promise<void> {
  let table = schema
    .createTable('schedules')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('name', 'text', (column) => column.notNull().unique());
  for (const name of ['cron', 'time_zone', 'source', 'endpoint', 'options', 'missed_runs', 'origin'])
    table = table.addColumn(name, 'text', (column) => column.notNull());
  await table
    .addColumn('timeout_seconds', 'integer')
    .addColumn('paused', 'integer', (column) => column.notNull().defaultTo(0))
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .addColumn('next_run_at', 'bigint')
    .addColumn('last_run_at', 'bigint')
    .addColumn('last_outcome', 'text')
    .addColumn('last_batch_id', 'text')
    .addColumn('lease_owner', 'text')
    .addColumn('lease_until', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute();
  await schema
    .createTable('workers')
    .addColumn('id', 'text', (column) => column.primaryKey())
    .addColumn('host', 'text', (column) => column.notNull())
    .addColumn('pid', 'integer', (column) => column.notNull())
    .addColumn('started_at', 'bigint', (column) => column.notNull())
    .addColumn('seen_at', 'bigint', (column) => column.notNull())
    .execute();
}

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { BatchesRepository } from '../../../src/batch/store/batches.repository.js';
import { Database } from '../../../src/storage/database.js';
import { FolderFileStore } from '../../../src/storage/folder-file-store.js';
import { migrate } from '../../../src/storage/migrate.js';
import { HAS_POSTGRES, TestPostgres } from '../../support/postgres.js';
import { INSTALL_SERVICES } from '../../support/service-process.js';
import { ScriptedModels } from './helpers/scripted-models.js';
import { batchOf, bytesOf, lineOf, linesOf, TestWorker, whenEnded } from './helpers/test-worker.js';

const skipped = HAS_POSTGRES ? '' : ` (skipped; to run it: ${INSTALL_SERVICES})`;

it.skipIf(!HAS_POSTGRES)(
  `a Postgres that crashes in the middle and comes back costs nothing but time${skipped}`,
  async () => {
    const server = await TestPostgres.start();
    const folder = mkdtempSync(join(tmpdir(), 'resident-away-'));
    const database = await Database.open({ engine: 'postgres', url: await server.createDatabase() });
    await migrate(database);
    const store = await FolderFileStore.open(folder);
    const names = Array.from({ length: 400 }, (_, i) => `line-${i}`);
    await store.write('file-1', bytesOf(names.map((name) => lineOf(name)).join('\n')));
    const models = new ScriptedModels();
    models.fate = () => ({ kind: 'answers', afterMs: 30 });
    const worker = new TestWorker({ database, store, models }).start();
    const batches = new BatchesRepository(database);
    const { id } = await batches.create(batchOf('file-1'));
    await vi.waitFor(() => expect(models.begun.length).toBeGreaterThan(100), { timeout: 10_000 });
    await server.kill();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await server.restart();
    const ended = await vi.waitFor(async () => whenEnded(batches, id), { timeout: 15_000 });
    const output = await linesOf(store, ended.outputFileId);
    expect(output.map(({ custom_id }) => custom_id)).toEqual(names);
    // what was answered while it was away was kept, not run again
    expect(models.begun.toSorted()).toEqual(names.toSorted());
    await worker.end();
    await database.close();
    await server.dispose();
    rmSync(folder, { recursive: true, force: true });
  },
  30_000,
);

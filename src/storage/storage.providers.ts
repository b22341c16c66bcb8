import type { FactoryProvider, OnApplicationShutdown, Provider } from '@nestjs/common';
import { Injectable } from '@nestjs/common';
import type { BatchModuleOptions } from '../batch/batch-options.interface.js';
import { MODULE_OPTIONS_TOKEN } from '../batch/batch.module-definition.js';
import { Database } from './database.js';
import { FileStore } from './file-store.js';
import { FolderFileStore } from './folder-file-store.js';
import { migrate } from './migrate.js';

const database: FactoryProvider<Database> = {
  provide: Database,
  inject: [MODULE_OPTIONS_TOKEN],
  useFactory: async ({ database: location }: BatchModuleOptions) => {
    const opened = await Database.open(location);
    await migrate(opened);
    return opened;
  },
};

const fileStore: FactoryProvider<FileStore> = {
  provide: FileStore,
  inject: [MODULE_OPTIONS_TOKEN],
  useFactory: ({ files }: BatchModuleOptions) => FolderFileStore.open(files),
};

/** Whatever uses it stops in `onModuleDestroy`, which comes before. */
@Injectable()
class DatabaseEnd implements OnApplicationShutdown {
  readonly #database: Database;

  constructor(opened: Database) {
    this.#database = opened;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.#database.close();
  }
}

/** The tables and the files, opened once. */
export const storageProviders: readonly Provider[] = [database, fileStore, DatabaseEnd];

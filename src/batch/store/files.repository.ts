import { Injectable } from '@nestjs/common';
import type { ExpressionBuilder } from 'kysely';
import { Database } from '../../storage/database.js';
import type { FileRow, Tables } from '../../storage/tables.js';
import { UNFINISHED, type FilePurpose, type StoredFile } from '../batch-types.js';

export interface Page {
  /** Id of the last one of the page before. */
  readonly after?: string | undefined;
  readonly limit: number;
}

export interface FilePage extends Page {
  /** Of these files only; nothing fits a purpose that isn't known. */
  readonly purpose?: string | undefined;
  readonly order: 'asc' | 'desc';
}

/** What is known of the files; their content is in the `FileStore`, under their id. */
@Injectable()
export class FilesRepository {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async insert(file: StoredFile): Promise<void> {
    await this.#database.db.insertInto('files').values(toRow(file)).execute();
  }

  async get(id: string): Promise<StoredFile | undefined> {
    const row = await this.#database.db
      .selectFrom('files')
      .selectAll()
      .where('id', '=', id)
      .executeTakeFirst();
    return row && fromRow(row);
  }

  /** By time of creation; one more than `limit` tells the caller that there are others. */
  async list({ after, limit, purpose, order }: FilePage): Promise<StoredFile[]> {
    let query = this.#database.db.selectFrom('files').selectAll();
    if (purpose) query = query.where('purpose', '=', purpose);
    const cursor = after === undefined ? undefined : await this.get(after);
    if (cursor) {
      const compare = order === 'desc' ? '<' : '>';
      query = query.where((where) =>
        where.or([
          where('created_at', compare, cursor.createdAt),
          where.and([where('created_at', '=', cursor.createdAt), where('id', compare, cursor.id)]),
        ]),
      );
    }
    const rows = await query.orderBy('created_at', order).orderBy('id', order).limit(limit).execute();
    return rows.map(fromRow);
  }

  /** Deletes a file unless an unfinished batch reads it. */
  async deleteUnused(id: string): Promise<'deleted' | 'missing' | 'in_use'> {
    const { numDeletedRows } = await this.#database.db
      .deleteFrom('files')
      .where('id', '=', id)
      .where((where) => isUnused(where))
      .executeTakeFirst();
    if (numDeletedRows > 0n) return 'deleted';
    return (await this.get(id)) ? 'in_use' : 'missing';
  }

  /** @returns whether it was there */
  async delete(id: string): Promise<boolean> {
    const { numDeletedRows } = await this.#database.db
      .deleteFrom('files')
      .where('id', '=', id)
      .executeTakeFirst();
    return numDeletedRows > 0n;
  }

  /** Files whose time is over and that no unfinished batch reads. */
  async expired(now: number, limit: number): Promise<StoredFile[]> {
    const rows = await this.#database.db
      .selectFrom('files')
      .selectAll()
      .where('expires_at', '<', now)
      .where((where) => isUnused(where))
      .limit(limit)
      .execute();
    return rows.map(fromRow);
  }

  /** Bytes of all files together. */
  async totalBytes(): Promise<number> {
    const row = await this.#database.db
      .selectFrom('files')
      .select(({ fn }) => fn.sum<number | string | null>('bytes').as('bytes'))
      .executeTakeFirst();
    return Number(row?.bytes ?? 0);
  }
}

/** No unfinished batch reads it. */
function isUnused(where: ExpressionBuilder<Tables, 'files'>) {
  return where.not(
    where.exists(
      where
        .selectFrom('batches')
        .select('seq')
        .whereRef('batches.input_file_id', '=', 'files.id')
        .where('status', 'in', [...UNFINISHED]),
    ),
  );
}

/** For whoever writes files in a transaction of their own. */
export function toRow({ id, purpose, filename, bytes, createdAt, expiresAt }: StoredFile): FileRow {
  return { id, purpose, filename, bytes, created_at: createdAt, expires_at: expiresAt };
}

function fromRow({ id, purpose, filename, bytes, created_at, expires_at }: FileRow): StoredFile {
  return {
    id,
    purpose: purpose as FilePurpose,
    filename,
    bytes,
    createdAt: created_at,
    expiresAt: expires_at,
  };
}

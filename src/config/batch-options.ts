import type { BatchModuleOptions, ScheduleSource } from '../batch/batch-options.interface.js';
import type { LoadedConfig } from './load-config.js';

/** From the words of the configuration to what `BatchModule` takes. */
export function batchOptions({
  batch,
  storage,
  redis,
  admin,
  schedules,
}: Pick<LoadedConfig, 'batch' | 'storage' | 'redis' | 'admin' | 'schedules'>): BatchModuleOptions {
  const { maxFileSize, maxLines, maxLineSize, concurrency, chunkLines, retries, fileDays, batchDays } = batch;
  return {
    database:
      storage.url === null
        ? { engine: 'sqlite', path: storage.database }
        : { engine: 'postgres', url: storage.url },
    files: storage.files,
    redis: redis.url === null ? null : { url: redis.url, prefix: redis.prefix },
    rateLimit: batch.rateLimit,
    limits: {
      maxFileBytes: maxFileSize,
      maxLines,
      maxLineBytes: maxLineSize,
      quotaBytes: storage.quota,
      concurrency,
      chunkLines,
      retries,
      fileDays,
      batchDays,
    },
    schedules: schedules.map(({ source, ...rest }) => ({ ...rest, source: toSource(source) })),
    adminKey: admin.key,
    cron: batch.cron,
    inbox: batch.inbox,
    outbox: batch.outbox,
    done: batch.done,
  };
}

function toSource(source: LoadedConfig['schedules'][number]['source']): ScheduleSource {
  if ('file' in source) return { kind: 'file', fileId: source.file };
  if ('inbox' in source) return { kind: 'inbox', pattern: source.inbox };
  return { kind: 'provider', name: source.provider };
}

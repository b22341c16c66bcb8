import { Injectable } from '@nestjs/common';
import { CancelledError } from '../../engine/errors.js';
import { BatchesService } from '../batches.service.js';
import type { Batch } from '../batch-types.js';
import { FilesService } from '../files.service.js';
import { InboxTask } from '../inbox.task.js';
import { encodeLines } from './encode-lines.js';
import { LineSources } from './line-sources.js';
import type { Schedule } from './schedule-types.js';

/** Makes the batch, or the batches, of one run of a schedule. */
@Injectable()
export class ScheduleRuns {
  readonly #batches: BatchesService;
  readonly #files: FilesService;
  readonly #inbox: InboxTask;
  readonly #sources: LineSources;

  constructor(batches: BatchesService, files: FilesService, inbox: InboxTask, sources: LineSources) {
    this.#batches = batches;
    this.#files = files;
    this.#inbox = inbox;
    this.#sources = sources;
  }

  /**
   * @param runAt the time that it is for; undefined: it was asked for by hand
   * @param signal gives the run up; what was made stays
   * @returns ids; of an inbox without new files, none
   */
  async start(schedule: Schedule, runAt: number | undefined, signal: AbortSignal): Promise<string[]> {
    const { source, endpoint } = schedule;
    switch (source.kind) {
      case 'file':
        return idsOf(await this.#create(schedule, source.fileId, runAt));
      case 'provider': {
        const lines = encodeLines(this.#sources.get(source.name).lines(signal), endpoint, signal);
        return idsOf(await this.#createFrom(lines, schedule, runAt, signal));
      }
      case 'inbox':
        return idsOf(...(await this.#inbox.takeUp(source.pattern, { endpoint, ...commonOf(schedule) })));
      default:
        return source satisfies never;
    }
  }

  async #createFrom(
    source: AsyncIterable<Uint8Array>,
    schedule: Schedule,
    runAt: number | undefined,
    signal: AbortSignal,
  ): Promise<Batch> {
    const filename = `${schedule.name.replace(/[^\w.-]+/g, '-')}-${fileTime(runAt ?? Date.now())}.jsonl`;
    const { id } = await this.#files.upload({ filename, purpose: 'batch', source });
    try {
      if (signal.aborted) throw new CancelledError('The run was given up.');
      return await this.#create(schedule, id, runAt);
    } catch (error) {
      // if that fails too, it is removed when its time is over
      await this.#files.delete(id).catch(() => undefined);
      throw error;
    }
  }

  #create(schedule: Schedule, inputFileId: string, runAt: number | undefined): Promise<Batch> {
    const { endpoint } = schedule;
    return this.#batches.create({ endpoint, inputFileId, runAt, ...commonOf(schedule) });
  }
}

function commonOf({ id, metadata, timeoutSeconds }: Schedule) {
  const expiresAt = timeoutSeconds === null ? null : Date.now() + timeoutSeconds * 1000;
  return { metadata, expiresAt, scheduleId: id };
}

function idsOf(...batches: readonly Batch[]): string[] {
  return batches.map(({ id }) => id);
}

/** `20260102T030405Z` */
function fileTime(time: number): string {
  return `${new Date(time).toISOString().slice(0, 19).replace(/[-:]/g, '')}Z`;
}

import type { z } from 'zod';
import {
  batchListQuerySchema,
  batchListSchema,
  batchRequestSchema,
  batchSchema,
} from '../batch/batches.schema.js';
import {
  fileDeletedSchema,
  fileListQuerySchema,
  fileListSchema,
  fileSchema,
  uploadSchema,
} from '../batch/files.schema.js';
import {
  scheduleChangeSchema,
  scheduleDeletedSchema,
  scheduleListSchema,
  scheduleRequestSchema,
  scheduleSchema,
} from '../batch/schedules/schedules.schema.js';
import type { OperationOf } from './operation.js';

export const BATCH_SCHEMAS = {
  FileUpload: uploadSchema,
  File: fileSchema,
  FileList: fileListSchema,
  FileDeleted: fileDeletedSchema,
  BatchRequest: batchRequestSchema,
  Batch: batchSchema,
  BatchList: batchListSchema,
  ScheduleRequest: scheduleRequestSchema,
  ScheduleChange: scheduleChangeSchema,
  Schedule: scheduleSchema,
  ScheduleList: scheduleListSchema,
  ScheduleDeleted: scheduleDeletedSchema,
} as const satisfies Record<string, z.ZodType>;

type BatchOperation = OperationOf<keyof typeof BATCH_SCHEMAS>;

const INVALID = 'The request is at fault; `param` names the field';
const NO_FILE = 'No such file';
const NO_BATCH = 'No such batch';
const NO_SCHEDULE = 'No such schedule';
const NOT_NOW = 'It comes from the configuration, or its last batch is not finished';
export const ADMIN = {
  401: 'The key is missing or wrong',
  403: 'Only callers from this machine may, as no key is configured',
};

const FILES: readonly BatchOperation[] = [
  {
    method: 'post',
    path: '/v1/files',
    id: 'createFile',
    tag: 'Files',
    summary: 'Uploads lines for a batch (OpenAI)',
    form: 'FileUpload',
    answer: 'File',
    failures: {
      400: INVALID,
      403: 'A page of another origin may not upload',
      413: 'The file is too large',
      507: 'There is no room for it',
    },
  },
  {
    method: 'get',
    path: '/v1/files',
    id: 'listFiles',
    tag: 'Files',
    summary: 'Uploads, and what batches answered (OpenAI)',
    query: fileListQuerySchema,
    answer: 'FileList',
    failures: { 400: INVALID },
  },
  {
    method: 'get',
    path: '/v1/files/{id}',
    id: 'retrieveFile',
    tag: 'Files',
    summary: 'What is known of a file (OpenAI)',
    answer: 'File',
    failures: { 404: NO_FILE },
  },
  {
    method: 'delete',
    path: '/v1/files/{id}',
    id: 'deleteFile',
    tag: 'Files',
    summary: 'Deletes a file (OpenAI)',
    answer: 'FileDeleted',
    failures: { 404: NO_FILE, 409: 'A batch that is not finished reads it' },
  },
  {
    method: 'get',
    path: '/v1/files/{id}/content',
    id: 'downloadFile',
    tag: 'Files',
    summary: 'The bytes of a file, or a range of them (OpenAI)',
    answer: 'binary',
    failures: { 404: NO_FILE },
  },
];

const BATCHES: readonly BatchOperation[] = [
  {
    method: 'post',
    path: '/v1/batches',
    id: 'createBatch',
    tag: 'Batches',
    summary: 'Runs the lines of an uploaded file (OpenAI)',
    request: 'BatchRequest',
    answer: 'Batch',
    failures: { 400: INVALID, 404: NO_FILE },
  },
  {
    method: 'get',
    path: '/v1/batches',
    id: 'listBatches',
    tag: 'Batches',
    summary: 'The batches, the newest first (OpenAI)',
    query: batchListQuerySchema,
    answer: 'BatchList',
    failures: { 400: INVALID },
  },
  {
    method: 'get',
    path: '/v1/batches/{id}',
    id: 'retrieveBatch',
    tag: 'Batches',
    summary: 'A batch, and how far it is (OpenAI)',
    answer: 'Batch',
    failures: { 404: NO_BATCH },
  },
  {
    method: 'post',
    path: '/v1/batches/{id}/cancel',
    id: 'cancelBatch',
    tag: 'Batches',
    summary: 'Has the lines left out that are not answered yet (OpenAI)',
    answer: 'Batch',
    failures: { 404: NO_BATCH, 409: 'It has ended already' },
  },
];

const SCHEDULES: readonly BatchOperation[] = [
  {
    method: 'post',
    path: '/v1/schedules',
    id: 'createSchedule',
    tag: 'Schedules',
    summary: 'Makes batches again and again, at the times of a cron expression',
    request: 'ScheduleRequest',
    answer: 'Schedule',
    failures: { 400: INVALID, ...ADMIN, 409: 'There is one of this name' },
  },
  {
    method: 'get',
    path: '/v1/schedules',
    id: 'listSchedules',
    tag: 'Schedules',
    summary: 'The schedules, by name',
    answer: 'ScheduleList',
  },
  schedule('get', '', 'retrieveSchedule', 'A schedule, by its id or its name', 'Schedule', {}),
  {
    ...schedule('patch', '', 'updateSchedule', 'Changes what is named', 'Schedule', {
      400: INVALID,
      ...ADMIN,
      409: NOT_NOW,
    }),
    request: 'ScheduleChange',
  },
  schedule('delete', '', 'deleteSchedule', 'Deletes a schedule; its batches go on', 'ScheduleDeleted', {
    ...ADMIN,
    409: NOT_NOW,
  }),
  schedule('post', '/run', 'runSchedule', 'Runs it now', 'Schedule', { ...ADMIN, 409: NOT_NOW }),
  schedule('post', '/pause', 'pauseSchedule', 'Leaves its times out until it is resumed', 'Schedule', ADMIN),
  schedule('post', '/resume', 'resumeSchedule', 'Has its times back', 'Schedule', ADMIN),
];

function schedule(
  method: BatchOperation['method'],
  end: string,
  id: string,
  summary: string,
  answer: BatchOperation['answer'],
  failures: Readonly<Record<number, string>>,
): BatchOperation {
  const path = `/v1/schedules/{id}${end}`;
  return { method, path, id, tag: 'Schedules', summary, answer, failures: { ...failures, 404: NO_SCHEDULE } };
}

/** Files, batches and schedules. */
export const BATCH_OPERATIONS: readonly BatchOperation[] = [...FILES, ...BATCHES, ...SCHEDULES];

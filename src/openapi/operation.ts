import type { z } from 'zod';

/** What the document of the API tells of an operation; `Name` is a name of a schema. */
export interface OperationOf<Name extends string> {
  readonly method: 'get' | 'post' | 'patch' | 'delete';
  readonly path: string;
  readonly id: string;
  readonly tag: 'Generation' | 'Encoders' | 'Files' | 'Batches' | 'Schedules' | 'Models' | 'Health';
  readonly summary: string;
  /** Of the body, which is JSON unless it is a form. */
  readonly request?: Name;
  readonly form?: Name;
  readonly query?: z.ZodObject;
  readonly answer: Name | 'binary' | 'text';
  /** What an event of the stream holds, where there is one. */
  readonly chunk?: Name;
  /** Answered with 503 as well. */
  readonly unavailable?: Name;
  /** Statuses of refusals and what they mean. Default: those of a model's answer. */
  readonly failures?: Readonly<Record<number, string>>;
}

import {
  HttpException,
  Injectable,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { FileInterceptor } from '@nestjs/platform-express';
import type { Request } from 'express';
import type { Readable } from 'node:stream';
import { callbackify } from 'node:util';
import { CancelledError, InvalidRequestError, messageOf, ResidentError } from '../engine/errors.js';
import { isFromForeignPage } from '../transport/same-origin.js';
import { FilesService, type ReceivedContent } from './files.service.js';

/** The field of a form that holds the file. */
export const FILE_FIELD = 'file';

/** A file of a form, stored. */
export interface UploadedContent extends ReceivedContent {
  /** As the client names it. */
  readonly originalname: string;
}

type Outcome<Value> = (error: Error | null, value: Value) => void;

/** Where multer puts what comes: into the file store, part by part as the disk takes it. */
class FileStoreEngine {
  readonly #files: FilesService;

  constructor(files: FilesService) {
    this.#files = files;
  }

  _handleFile(
    _request: Request,
    { stream }: { readonly stream: Readable },
    done: Outcome<ReceivedContent>,
  ): void {
    // destroyed by an iterator that is left early, it would fail itself, and that failure would be told first
    const parts = stream.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
    callbackify(() => this.#files.receive(parts))(done);
  }

  _removeFile(_request: Request, { id }: ReceivedContent, done: Outcome<void>): void {
    callbackify(() => this.#files.discard(id))(done);
  }
}

/** Reads a form with one file while it comes; a request that is refused or breaks off leaves nothing. */
@Injectable()
export class UploadInterceptor implements NestInterceptor {
  readonly #files: FilesService;
  readonly #inner: NestInterceptor;

  constructor(files: FilesService) {
    this.#files = files;
    const Interceptor = FileInterceptor(FILE_FIELD, {
      storage: new FileStoreEngine(files),
      defParamCharset: 'utf8',
      limits: { fields: 8, fieldSize: 1024, fieldNameSize: 100, fieldNestingDepth: 2, parts: 10 },
    });
    this.#inner = new Interceptor();
  }

  async intercept(context: ExecutionContext, next: CallHandler) {
    const request = context.switchToHttp().getRequest<Request>();
    // a form is what any page may have a browser send anywhere
    if (isFromForeignPage(request))
      throw new InvalidRequestError('forbidden', 'Pages of other origins may not upload files.');
    if (!request.is('multipart/form-data'))
      throw invalid("Send multipart/form-data with the fields 'purpose' and 'file'.", FILE_FIELD);
    await this.#files.checkRoom(Number(request.headers['content-length'] ?? 0));
    try {
      return await this.#inner.intercept(context, next);
    } catch (error) {
      throw toRefusal(error, request);
    }
  }
}

/** What multer and its parser say, in our words. */
function toRefusal(error: unknown, request: Request): unknown {
  if (error instanceof ResidentError) return error;
  if (request.destroyed && !request.complete) return new CancelledError('The upload broke off.');
  if (!(error instanceof HttpException)) return error;
  const { code, field } = (error.cause ?? {}) as { readonly code?: string; readonly field?: string };
  if (code !== 'LIMIT_UNEXPECTED_FILE') return invalid(`The form is not valid: ${messageOf(error)}.`);
  if (field === FILE_FIELD) return invalid('Send one file at a time.', FILE_FIELD);
  return new InvalidRequestError('unknown_parameter', `Unknown parameter: '${field}'.`, { param: field });
}

function invalid(message: string, param?: string): InvalidRequestError {
  return new InvalidRequestError('invalid_value', message, { param });
}

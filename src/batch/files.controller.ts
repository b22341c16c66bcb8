import {
  Body,
  Controller,
  Delete,
  Get,
  HttpCode,
  Param,
  Post,
  Query,
  Res,
  UploadedFile,
  UseInterceptors,
} from '@nestjs/common';
import type { Request, Response } from 'express';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { InvalidRequestError } from '../engine/errors.js';
import type { ByteRange } from '../storage/file-store.js';
import {
  fileListQuerySchema,
  formatFile,
  formatPage,
  uploadFieldsSchema,
  type FileListQuery,
  type UploadFields,
} from './files.schema.js';
import { FilesService } from './files.service.js';
import { FILE_FIELD, UploadInterceptor, type UploadedContent } from './upload.interceptor.js';

/** OpenAI's files: what batches read and write. */
@Controller('v1/files')
export class FilesController {
  readonly #files: FilesService;

  constructor(files: FilesService) {
    this.#files = files;
  }

  @Post()
  @HttpCode(200)
  @UseInterceptors(UploadInterceptor)
  async create(
    @Body({ schema: uploadFieldsSchema }) { purpose, expires_after }: UploadFields,
    @UploadedFile() upload: UploadedContent | undefined,
  ): Promise<object> {
    if (!upload)
      throw new InvalidRequestError(
        'missing_required_parameter',
        `Missing required parameter: '${FILE_FIELD}', a file with a name.`,
        { param: FILE_FIELD },
      );
    const file = { filename: upload.originalname, purpose, expiresAfterSeconds: expires_after?.seconds };
    return formatFile(await this.#files.keep(upload, file));
  }

  @Get()
  async list(@Query({ schema: fileListQuerySchema }) query: FileListQuery): Promise<object> {
    const { files, hasMore } = await this.#files.list(query);
    return formatPage(files.map(formatFile), hasMore);
  }

  @Get(':id')
  async get(@Param('id') id: string): Promise<object> {
    return formatFile(await this.#files.get(id));
  }

  @Delete(':id')
  async delete(@Param('id') id: string): Promise<object> {
    await this.#files.delete(id);
    return { id, object: 'file', deleted: true };
  }

  /** The bytes as they were sent, as fast as the client takes them; a range of them, if it asks for one. */
  @Get(':id/content')
  async content(@Param('id') id: string, @Res() response: Response): Promise<void> {
    const { filename, bytes } = await this.#files.get(id);
    const range = rangeOf(response.req, bytes);
    if (range === 'unsatisfiable') {
      response.status(416).set('Content-Range', `bytes */${bytes}`).end();
      return;
    }
    const content = response.req.method === 'HEAD' ? undefined : await this.#files.content(id, range);
    response
      .attachment(filename)
      .set({ 'Content-Type': 'application/octet-stream', 'Accept-Ranges': 'bytes' })
      .set('Content-Length', String(range ? range.end - range.start + 1 : bytes));
    if (range) response.status(206).set('Content-Range', `bytes ${range.start}-${range.end}/${bytes}`);
    if (content) await send(content.stream, response);
    else response.end();
  }
}

/** A client that goes away ends it. */
async function send(stream: Readable, response: Response): Promise<void> {
  try {
    await pipeline(stream, response);
  } catch (error) {
    // once the headers are sent, all that is left is to cut the connection: that is done
    if (!response.headersSent) throw error;
  }
}

/** One range, with both ends; several are answered with the whole file, as HTTP allows. */
function rangeOf(request: Request, bytes: number): Required<ByteRange> | 'unsatisfiable' | undefined {
  const ranges = request.range(bytes, { combine: true });
  if (ranges === -1) return 'unsatisfiable';
  if (ranges === undefined || ranges === -2 || ranges.type !== 'bytes' || ranges.length !== 1)
    return undefined;
  const { start, end } = ranges[0] as { start: number; end: number };
  return { start, end };
}

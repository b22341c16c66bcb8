import { Body, Controller, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import type { Batch } from './batch-types.js';
import {
  batchListQuerySchema,
  batchRequestSchema,
  formatBatch,
  type BatchListQuery,
  type BatchRequestBody,
} from './batches.schema.js';
import { BatchesService } from './batches.service.js';
import { formatPage } from './files.schema.js';

/** OpenAI's batches: requests in a file, answered in a file. */
@Controller('v1/batches')
export class BatchesController {
  readonly #batches: BatchesService;

  constructor(batches: BatchesService) {
    this.#batches = batches;
  }

  @Post()
  @HttpCode(200)
  async create(@Body({ schema: batchRequestSchema }) body: BatchRequestBody): Promise<object> {
    const batch = await this.#batches.create({
      endpoint: body.endpoint,
      inputFileId: body.input_file_id,
      completionWindow: body.completion_window,
      metadata: body.metadata,
      outputExpiresSeconds: body.output_expires_after?.seconds,
    });
    return this.#format(batch);
  }

  @Get()
  async list(@Query({ schema: batchListQuerySchema }) query: BatchListQuery): Promise<object> {
    const { batches, hasMore } = await this.#batches.list(query);
    return formatPage(await Promise.all(batches.map((batch) => this.#format(batch))), hasMore);
  }

  @Get(':id')
  async get(@Param('id') id: string): Promise<object> {
    return this.#format(await this.#batches.get(id));
  }

  @Post(':id/cancel')
  @HttpCode(200)
  async cancel(@Param('id') id: string): Promise<object> {
    return this.#format(await this.#batches.cancel(id));
  }

  async #format(batch: Batch): Promise<{ readonly id: string }> {
    return formatBatch(batch, await this.#batches.progress(batch));
  }
}

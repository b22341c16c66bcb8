import { Controller, Get, Res } from '@nestjs/common';
import type { Response } from 'express';
import { MetricsService } from './metrics.service.js';

/** For Prometheus, and whatever reads its text format. */
@Controller('metrics')
export class MetricsController {
  constructor(readonly metrics: MetricsService) {}

  @Get()
  async get(@Res({ passthrough: true }) response: Response): Promise<string> {
    const { contentType, text } = await this.metrics.scrape();
    response.setHeader('Content-Type', contentType);
    return text;
  }
}

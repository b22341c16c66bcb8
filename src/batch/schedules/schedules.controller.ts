import { Body, Controller, Delete, Get, HttpCode, Param, Patch, Post, UseGuards } from '@nestjs/common';
import { AdminGuard } from '../../transport/admin.guard.js';
import {
  formatSchedule,
  scheduleChangeSchema,
  scheduleRequestSchema,
  toScheduleChange,
  toScheduleOptions,
  type ScheduleChangeBody,
  type ScheduleRequestBody,
} from './schedules.schema.js';
import { SchedulesService } from './schedules.service.js';

/** Batches that come again and again. `id` is the id of a schedule, or its name. */
@Controller('v1/schedules')
export class SchedulesController {
  readonly #schedules: SchedulesService;

  constructor(schedules: SchedulesService) {
    this.#schedules = schedules;
  }

  @Get()
  async list(): Promise<object> {
    return { object: 'list', data: (await this.#schedules.list()).map(formatSchedule) };
  }

  @Get(':id')
  async get(@Param('id') id: string): Promise<object> {
    return formatSchedule(await this.#schedules.get(id));
  }

  @Post()
  @HttpCode(200)
  @UseGuards(AdminGuard)
  async create(@Body({ schema: scheduleRequestSchema }) body: ScheduleRequestBody): Promise<object> {
    return formatSchedule(await this.#schedules.create(toScheduleOptions(body)));
  }

  @Patch(':id')
  @UseGuards(AdminGuard)
  async update(
    @Param('id') id: string,
    @Body({ schema: scheduleChangeSchema }) body: ScheduleChangeBody,
  ): Promise<object> {
    return formatSchedule(await this.#schedules.update(id, toScheduleChange(body)));
  }

  @Delete(':id')
  @UseGuards(AdminGuard)
  async delete(@Param('id') id: string): Promise<object> {
    const schedule = await this.#schedules.delete(id);
    return { id: schedule.id, object: 'schedule', deleted: true };
  }

  @Post(':id/run')
  @HttpCode(200)
  @UseGuards(AdminGuard)
  async run(@Param('id') id: string): Promise<object> {
    return formatSchedule(await this.#schedules.run(id));
  }

  @Post(':id/pause')
  @HttpCode(200)
  @UseGuards(AdminGuard)
  async pause(@Param('id') id: string): Promise<object> {
    return formatSchedule(await this.#schedules.pause(id));
  }

  @Post(':id/resume')
  @HttpCode(200)
  @UseGuards(AdminGuard)
  async resume(@Param('id') id: string): Promise<object> {
    return formatSchedule(await this.#schedules.resume(id));
  }
}

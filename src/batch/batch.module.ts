import { Module } from '@nestjs/common';
import { ScheduleModule } from '@nestjs/schedule';
import { BatchRunner } from './batch-runner.js';
import { ConfigurableModuleClass } from './batch.module-definition.js';
import { InboxTask } from './inbox.task.js';

/** Runs JSONL files through the resident models, on a schedule or by hand. Needs `ModelModule`. */
@Module({ imports: [ScheduleModule.forRoot()], providers: [BatchRunner, InboxTask], exports: [BatchRunner] })
export class BatchModule extends ConfigurableModuleClass {}

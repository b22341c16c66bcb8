/** `npm run batch -- FILE`: runs one JSONL file now, without a server. */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { existsSync } from 'node:fs';
import { BatchModule } from '../batch/batch.module.js';
import type { BatchSummary } from '../batch/batch-runner.js';
import { InboxTask, type FileResult } from '../batch/inbox.task.js';
import { endOnSignals } from '../bootstrap.js';
import { batchOptions } from '../config/batch-options.js';
import { loadConfig } from '../config/load-config.js';
import { ResidentLogger } from '../logger.js';
import { ModelModule } from '../model/model.module.js';
import { explainStartFailure } from './explain.js';

/** The models and the batch door, without the others. */
@Module({})
class BatchCommand {}

async function main(): Promise<void> {
  const [file, ...others] = process.argv.slice(2);
  if (!file || others.length > 0) return fail('usage: npm run batch -- FILE.jsonl');
  if (!existsSync(file)) return fail(`there is no file ${file}`);
  const config = loadConfig();
  const { models, hub, server, log } = config;
  const root = {
    module: BatchCommand,
    imports: [
      ModelModule.forRoot({ models, hub, drainSeconds: server.drainSeconds }),
      BatchModule.forRoot({ ...batchOptions(config), cron: null }),
    ],
  };
  const app = await NestFactory.createApplicationContext(root, {
    logger: new ResidentLogger(log.level),
    abortOnError: false,
  });
  endOnSignals(app);
  const result = await app.get(InboxTask).runFile(file, { onProgress: progress() });
  await app.close();
  report(file, result);
}

function report(file: string, result: FileResult | undefined): void {
  if (!result) return fail(`${file} was written to while it ran; its results are discarded, run it again`);
  process.stdout.write(`${plural(result.lines)}, ${result.failed} failed; results in ${result.results}\n`);
}

function plural(lines: number): string {
  return lines === 1 ? '1 line' : `${lines} lines`;
}

/** A line that counts, on a terminal. */
function progress(): ((soFar: BatchSummary) => void) | undefined {
  if (!process.stderr.isTTY) return undefined;
  return ({ lines, failed }) => void process.stderr.write(`\r${plural(lines)}, ${failed} failed `);
}

function fail(message: string): void {
  process.stderr.write(`batch: ${message}\n`);
  process.exitCode = 1;
}

main().catch((error: unknown) => {
  process.stderr.write(`batch: ${explainStartFailure(error)}\n`);
  process.exit(1);
});

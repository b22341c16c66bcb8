import { setMaxListeners } from 'node:events';
import { Injectable } from '@nestjs/common';
import { createReadStream } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { CancelledError, ResidentError, UnavailableError, type ErrorCode } from '../engine/errors.js';
import { pause } from '../engine/pause.js';
import { ModelProvider, type ModelRequest } from '../model/model.provider.js';
import { formatUsage } from '../openai/generation-run.js';
import { BatchLineError, LINE_LIMIT, parseBatchLine } from './batch-line.schema.js';
import { readLines, type RawLine } from './read-lines.js';

export interface BatchSummary {
  readonly lines: number;
  readonly failed: number;
}

export interface BatchRunOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (soFar: BatchSummary) => void;
}

/** Lines handed to the engine ahead of the one whose result is written next. */
const LINES_AHEAD = 64;
/** How long a line waits that found the queue full. */
const QUEUE_FULL_MS = 1000;
/** A line that was in flight when the engine died is tried again this often: it may be what killed it. */
const MOST_ATTEMPTS = 3;

type Answer = { readonly text: string; readonly failed: boolean };

/** Runs one JSONL file through the models at background priority: one result line per line, in order. */
@Injectable()
export class BatchRunner {
  constructor(readonly models: ModelProvider) {}

  /**
   * @param output is written from its start and synced to the disk; the caller gives it its final name
   * @throws ResidentError if the run can't go on (shutdown, engine failed for good); the output is then incomplete
   */
  async run(
    input: string,
    output: string,
    { signal, onProgress }: BatchRunOptions = {},
  ): Promise<BatchSummary> {
    const file = await open(output, 'w');
    try {
      const summary = await this.#runLines(createReadStream(input), file, signal, onProgress);
      await file.sync();
      return summary;
    } finally {
      await file.close();
    }
  }

  async #runLines(
    input: AsyncIterable<Buffer>,
    output: FileHandle,
    signal: AbortSignal | undefined,
    onProgress: BatchRunOptions['onProgress'],
  ): Promise<BatchSummary> {
    const ending = new AbortController();
    const signals = AbortSignal.any([ending.signal, ...(signal ? [signal] : [])]);
    setMaxListeners(0, signals); // one per line in flight
    const ahead: Promise<Answer>[] = [];
    let lines = 0;
    let failed = 0;
    const writeNext = async (): Promise<void> => {
      const answer = (await ahead.shift()) as Answer;
      await output.write(answer.text);
      lines++;
      if (answer.failed) failed++;
      onProgress?.({ lines, failed });
    };
    try {
      let number = 0;
      for await (const line of readLines(input, LINE_LIMIT)) {
        const answer = this.#answer(line, ++number, signals);
        answer.catch(() => undefined); // it is awaited in its turn
        ahead.push(answer);
        if (ahead.length >= LINES_AHEAD) await writeNext();
      }
      while (ahead.length > 0) await writeNext();
    } finally {
      ending.abort(); // on failure: what is still running is for nothing
    }
    return { lines, failed };
  }

  async #answer(line: RawLine, number: number, signal: AbortSignal): Promise<Answer> {
    try {
      const { customId, request } = parseBatchLine(
        number === 1 ? withoutByteOrderMark(line) : line,
        this.#defaultModel(),
      );
      return await this.#generate(customId, request, number, signal);
    } catch (error) {
      if (error instanceof BatchLineError) return this.#failure(error.customId, number, error.reason);
      throw error;
    }
  }

  async #generate(
    customId: string,
    request: ModelRequest,
    number: number,
    signal: AbortSignal,
  ): Promise<Answer> {
    for (let attempt = 1; ; attempt++) {
      try {
        const { text, finishReason, instanceId, usage } = await this.models.complete(request, {
          signal,
          priority: 'background',
        });
        const result = {
          custom_id: customId,
          line: number,
          text,
          finish_reason: finishReason,
          usage: formatUsage(usage),
        };
        return { text: toLine({ ...result, instance_id: instanceId, error: null }), failed: false };
      } catch (error) {
        if (!(error instanceof ResidentError) || endsTheRun(error)) throw error;
        const again =
          error instanceof UnavailableError || (error.code === 'engine_restarted' && attempt < MOST_ATTEMPTS);
        if (!again) return this.#failure(customId, number, error);
        if (error.code === 'queue_full') await pause(QUEUE_FULL_MS, signal);
        await this.models.whenLoaded(request.model);
        signal.throwIfAborted();
      }
    }
  }

  #failure(customId: string | null, number: number, { code, message, param }: ResidentError): Answer {
    const error = { code, message, param: param ?? null };
    const instanceId = this.models.describe().instanceId ?? null;
    return {
      text: toLine({ custom_id: customId, line: number, instance_id: instanceId, error }),
      failed: true,
    };
  }

  #defaultModel(): string {
    return this.models.describe().name;
  }
}

/** Not the line's fault, and no line after it would do better: the file is left for later. */
function endsTheRun(error: ResidentError): boolean {
  const codes: readonly ErrorCode[] = ['server_draining', 'engine_failed', 'model_load_failed'];
  return error instanceof CancelledError || codes.includes(error.code);
}

function toLine(result: object): string {
  return `${JSON.stringify(result)}\n`;
}

function withoutByteOrderMark(line: RawLine): RawLine {
  const mark = [0xef, 0xbb, 0xbf];
  if (line.kind !== 'line' || !mark.every((byte, i) => line.bytes[i] === byte)) return line;
  return { kind: 'line', bytes: line.bytes.subarray(mark.length) };
}

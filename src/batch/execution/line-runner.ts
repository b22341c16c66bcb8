import { Inject, Injectable, Logger } from '@nestjs/common';
import { EngineDeadError, ResidentError, isLoadErrorCode, type ErrorCode } from '../../engine/errors.js';
import { pause } from '../../engine/pause.js';
import { ModelProvider, type CallOptions } from '../../model/model.provider.js';
import type { BatchModuleOptions } from '../batch-options.interface.js';
import type { Batch, LineResult } from '../batch-types.js';
import { MODULE_OPTIONS_TOKEN } from '../batch.module-definition.js';
import { toCall, type LineCall } from '../lines/line-call.js';
import type { LineFormatter, LineKey } from '../lines/line-format.js';
import type { LineRequest } from '../lines/parse-line.js';
import { orAborted } from './aborts.js';
import { harmlessRequest } from './harmless-request.js';
import { PoisonError, PoisonIsolation } from './poison-isolation.js';

/** What the lines of a chunk have in common. */
export interface LineRun {
  readonly batch: Batch;
  readonly formatter: LineFormatter;
  /** Ends them all. */
  readonly signal: AbortSignal;
}

/** The run can't go on: not the line's fault, and no line after it would do better. */
export class RunEnded extends Error {}

/** What becomes of a line that failed. */
export type NextStep =
  /** Its error is its answer. */
  | 'fail'
  /** It is tried again, a few times. */
  | 'retry'
  /** It is tried again until there is room for it. */
  | 'wait_for_room'
  /** The model is on its way: that isn't counted. */
  | 'wait_for_model'
  /** The model can't be had for now, or this process ends: that is so for the other lines, too. */
  | 'end_run';

/** Waits before a line is tried again: the first, and the longest, in milliseconds. */
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 8000;

/** Runs lines through the models at background priority, with patience. */
@Injectable()
export class LineRunner {
  readonly #log = new Logger(LineRunner.name);
  readonly #retries: number;
  readonly #isolation: PoisonIsolation;

  constructor(
    readonly models: ModelProvider,
    @Inject(MODULE_OPTIONS_TOKEN) { limits }: BatchModuleOptions,
  ) {
    this.#retries = limits.retries;
    this.#isolation = new PoisonIsolation((model) => harmlessRequest(models, model));
  }

  /**
   * The answer to a line, which may be an error.
   * @throws RunEnded if there is none to be had
   */
  async answer(key: LineKey, request: LineRequest, run: LineRun): Promise<LineResult> {
    const { formatter, batch } = run;
    try {
      return formatter.answer(key, await this.#run(toCall(request, batch, this.models), run));
    } catch (error) {
      if (error instanceof RunEnded) throw error;
      if (error instanceof PoisonError)
        return formatter.problem(key, { code: error.code, message: error.message, param: null });
      return formatter.refusal(key, this.#explain(error, batch, key));
    }
  }

  async #run(call: LineCall, { batch, signal }: LineRun) {
    const options: CallOptions = { signal, priority: 'background', client: batch.id, retry: false };
    const attempt = { model: call.model, signal, run: () => call.run(this.models, options) };
    let needsModel = false;
    for (let failures = 0, tries = 0; ; tries++) {
      try {
        if (needsModel) await orAborted(this.models.whenLoaded(call.model), signal);
        return await this.#isolation.run(attempt);
      } catch (error) {
        if (!(error instanceof ResidentError)) throw error;
        const step = nextStep(error);
        needsModel = step === 'wait_for_model';
        if (step === 'retry') failures++;
        if (step === 'fail' || failures > this.#retries) throw error;
        if (step === 'end_run') throw new RunEnded(error.message);
        if (!needsModel) await pause(waitMs(tries), signal);
      }
    }
  }

  /** What isn't meant for users goes to the log. */
  #explain(error: unknown, { id }: Batch, { line }: LineKey): ResidentError {
    if (error instanceof ResidentError) return error;
    this.#log.error(`${id}, line ${line}`, error instanceof Error ? error.stack : String(error));
    return new ResidentError('internal_error', 'The server failed on this line. Its log says why.');
  }
}

/** With jitter: lines that failed together don't come back together. */
function waitMs(tries: number): number {
  return Math.min(FIRST_WAIT_MS * 2 ** tries, LONGEST_WAIT_MS) * (0.5 + Math.random() / 2);
}

export function nextStep(error: ResidentError): NextStep {
  // who ended the engine is found out before it comes here
  if (error instanceof EngineDeadError) return 'fail';
  return stepOf(error.code);
}

function stepOf(code: ErrorCode): NextStep {
  if (isLoadErrorCode(code)) return 'end_run';
  switch (code) {
    case 'generation_failed':
    case 'out_of_memory':
    case 'engine_restarted':
      return 'retry';
    case 'queue_full':
      return 'wait_for_room';
    case 'model_loading':
    case 'engine_restarting':
      return 'wait_for_model';
    case 'engine_failed':
    case 'server_draining':
    case 'cancelled':
      return 'end_run';
    case 'invalid_json':
    case 'invalid_value':
    case 'missing_required_parameter':
    case 'unknown_parameter':
    case 'unsupported_parameter':
    case 'context_length_exceeded':
    case 'no_chat_template':
    case 'task_not_supported':
    case 'model_not_found':
    case 'file_not_found':
    case 'batch_not_found':
    case 'schedule_not_found':
    case 'conflict':
    case 'file_too_large':
    case 'storage_full':
    case 'unauthorized':
    case 'forbidden':
    case 'deadline_exceeded':
    case 'internal_error':
      return 'fail';
    default:
      return code satisfies never;
  }
}

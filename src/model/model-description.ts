import type { EngineState } from '../engine/client/engine-state.js';
import type { EngineSupervisor } from '../engine/client/engine-supervisor.js';
import type { ErrorCode } from '../engine/errors.js';
import type { LoadProgress, LoadedModelInfo, Task } from '../engine/types.js';

/** A resident model as transports show it. What is known only after a load is missing while it isn't loaded. */
export interface ModelDescription extends Partial<LoadedModelInfo> {
  readonly name: string;
  readonly task: Task;
  readonly state: EngineState;
  /** Times the model was loaded since the server started: 1 unless its engine died, or it was unloaded or reloaded. */
  readonly loads: number;
  /** Requests under way or waiting. */
  readonly active: number;
  /** What the load under way does. */
  readonly progress?: LoadProgress | undefined;
  /** What the loaded model can't do as well as it should: a sentence. */
  readonly degraded?: string | undefined;
  /** Why the last load failed, while the state is `failed`. */
  readonly error?: { readonly code: ErrorCode; readonly message: string } | undefined;
}

export function describeModel(engine: EngineSupervisor): ModelDescription {
  const { spec, state, loads, active, progress, degraded, failure, info } = engine;
  const error = failure && { code: failure.code, message: failure.message };
  return { name: spec.name, task: spec.task, state, loads, active, progress, degraded, error, ...info };
}

import type { CreateEngine, EngineLog } from '../engine/client/engine.js';
import { EngineSupervisor } from '../engine/client/engine-supervisor.js';
import type { Outcome } from '../engine/client/generation-stream.js';
import { InProcessEngine } from '../engine/client/in-process-engine.js';
import { Turns } from '../engine/client/turns.js';
import { DownloadDisplay } from '../engine/hub/progress-text.js';
import type { ModelModuleOptions, ResidentModelOptions } from './model-options.interface.js';

/** @returns makes the supervisor of each model, as the module's options have it */
export function createSupervisor(
  { hub, engineEntry, engine = 'process' }: ModelModuleOptions,
  log: EngineLog,
  onServed: (name: string, outcome: Outcome) => void,
): (model: ResidentModelOptions) => EngineSupervisor {
  const createProcess = engine === 'in-process' ? inProcess() : undefined;
  const display = new DownloadDisplay(process.stderr, (line) => log.info(line));
  return ({ keepAlive = 'always', ...spec }) =>
    new EngineSupervisor({
      spec,
      hub,
      log,
      engineEntry,
      createProcess,
      keepAliveMs: keepAlive === 'always' ? undefined : keepAlive,
      onServed: (outcome) => onServed(spec.name, outcome),
      onProgress: (progress) => (progress ? display.show(spec.name, progress) : display.end(spec.name)),
    });
}

function inProcess(): CreateEngine {
  const turns = new Turns();
  return () => new InProcessEngine({ turns });
}

/**
 * The engine process: holds one model, runs its steps, talks to the server that started it over IPC.
 * A process and not a worker thread: a native crash, an out-of-memory kill or a hung run then ends this process only.
 */
import { loadModel } from '../loading/load-model.js';
import type { FromEngine, ToEngine } from '../protocol.js';
import { EngineHost, type LoadModel } from './engine-host.js';

function send(message: FromEngine): void {
  if (process.connected) process.send?.(message);
}

/** All that this process has run until the model could answer is what the load cost: its start and imports, too. */
const loadAndMeasure: LoadModel = async (...args) => {
  const loaded = await loadModel(...args);
  const { user, system } = process.cpuUsage();
  return { ...loaded, report: { ...loaded.report, loadCpuMs: Math.round((user + system) / 1000) } };
};

const host = new EngineHost(loadAndMeasure, send, () => process.exit(0));

process.on('message', (message: ToEngine) => void host.receive(message));
// the server is gone, however it ended: an engine never outlives it
process.on('disconnect', () => process.exit(0));
// Ctrl-C and `kill -- -group` reach every process of the group; the server decides when the engine ends
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);

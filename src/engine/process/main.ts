/**
 * The engine process: holds one model, runs its steps, talks to the server that started it over IPC.
 * A process and not a worker thread: a native crash, an out-of-memory kill or a hung run then ends this process only.
 */
import { loadModel } from '../loading/load-model.js';
import type { FromEngine, ToEngine } from '../protocol.js';
import { EngineHost } from './engine-host.js';

function send(message: FromEngine): void {
  if (process.connected) process.send?.(message);
}

const host = new EngineHost(loadModel, send, () => process.exit(0));

process.on('message', (message: ToEngine) => void host.receive(message));
// the server is gone, however it ended: an engine never outlives it
process.on('disconnect', () => process.exit(0));
// Ctrl-C and `kill -- -group` reach every process of the group; the server decides when the engine ends
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);

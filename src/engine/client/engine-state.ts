/**
 * - `idle`: not loaded; the next request loads it.
 * - `loading`: for the first time, again, or because its engine died.
 * - `ready`: loaded.
 * - `unloading`: the engine ends when its requests have ended; new ones wait, and load it again.
 * - `failed`: the last load failed, or the engine died too often in a row.
 * - `draining`, then `stopped`: the server ends.
 */
export const ENGINE_STATES = [
  'idle',
  'loading',
  'ready',
  'unloading',
  'failed',
  'draining',
  'stopped',
] as const;
export type EngineState = (typeof ENGINE_STATES)[number];

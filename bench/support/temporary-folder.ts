import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { atExit } from './at-exit.js';

/** A new folder that goes with this process. */
export function createTemporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'resident-bench-'));
  atExit(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

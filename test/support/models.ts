import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ResidentModelOptions } from '../../src/index.js';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** The embedded model. */
export const TALES = {
  name: 'tales',
  source: `${root}models/tales`,
  task: 'text-generation',
  device: 'auto',
  dtype: 'auto',
  load: 'await',
} as const satisfies ResidentModelOptions;

interface GoldenTexts {
  readonly rows: readonly {
    readonly prompt: string;
    readonly prompt_tokens: number;
    readonly text: string;
  }[];
}

const goldenFolder = `${root}../shared/golden`;

/**
 * A model with the texts it must produce at fp32, greedy, 180 new tokens. It isn't part of the repository: tests that
 * need it are skipped where it is absent.
 */
export const GOLDEN = existsSync(`${goldenFolder}/stories260K-expected.json`)
  ? {
      model: {
        name: 'stories',
        source: `${goldenFolder}/stories260K`,
        task: 'text-generation',
        device: 'auto',
        dtype: 'fp32',
        load: 'await',
      } as const satisfies ResidentModelOptions,
      rows: (JSON.parse(readFileSync(`${goldenFolder}/stories260K-expected.json`, 'utf8')) as GoldenTexts)
        .rows,
    }
  : undefined;

/** For `describe.skipIf`: the reason is part of the name, so that a report shows it. */
export const GOLDEN_SKIP = 'needs ../shared/golden';

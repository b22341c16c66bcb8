import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { BATCHES, NEW_TOKENS, PROMPT_TOKENS, type Speed } from './speed.js';

const program = fileURLToPath(new URL('torch_generate.py', import.meta.url));
const ROUNDS = 3;

export interface TorchSpeeds {
  readonly speeds: readonly Speed[];
  readonly versions: string;
}

/** The same work in PyTorch. @returns undefined where there is no Python with PyTorch and transformers on a GPU */
export function measureTorch(): TorchSpeeds | undefined {
  try {
    const request = JSON.stringify([BATCHES, PROMPT_TOKENS, NEW_TOKENS, ROUNDS]);
    const output = execFileSync('python3', [program, request], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return JSON.parse(output.trim().split('\n').at(-1) ?? '') as TorchSpeeds;
  } catch (error) {
    process.stderr.write(`PyTorch is left out: ${String(error).split('\n', 1)[0]}\n`);
    return undefined;
  }
}

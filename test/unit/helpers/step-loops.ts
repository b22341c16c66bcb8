import type { SequenceOptions } from '../../../src/engine/generation/sequence.js';
import { StepLoop } from '../../../src/engine/generation/step-loop.js';
import type { Limits } from '../../../src/engine/scheduling/scheduled.js';
import { Recorder, settled } from './recorder.js';
import { ScriptedModel, type Script, type TokenCache } from './scripted-model.js';
import { sequenceOf } from './sequences.js';

export type Options = Partial<SequenceOptions> & { readonly id: number };

/** Enough for everything at once, in small pieces. */
export const LIMITS: Limits = {
  maxRows: 8,
  backgroundRows: 1,
  backgroundChunk: 64,
  backgroundPassMs: 20,
  prefillChunk: 4,
  stepTokens: 16,
};

/** One sequence at a time. */
export const ONE_ROW: Limits = { ...LIMITS, maxRows: 1, backgroundRows: 0 };

/** A step loop over a scripted model. */
export function loopOf(script: Script = {}, limits: Partial<Limits> = {}) {
  const model = new ScriptedModel(script);
  const loop = new StepLoop<TokenCache>(model, { ...LIMITS, ...limits }, 'instance-1');
  const add = (options: Options, recorder = new Recorder()): Recorder => {
    loop.add(sequenceOf(options), recorder);
    return recorder;
  };
  return { model, loop, add };
}

/** Waits until a loop has nothing left to do. */
export async function untilIdle(loop: { readonly idle: boolean }): Promise<void> {
  do await settled();
  while (!loop.idle);
}

/** What a sequence gives if nothing else runs and there is room for all. */
export async function alone(options: Options): Promise<Recorder> {
  const recorder = loopOf().add(options);
  await recorder.ended;
  return recorder;
}

/** Whose rows ran, in order: a sequence is told by the first token of its prompt. */
export function rowsOf({ calls }: ScriptedModel): number[] {
  return calls.map(({ cache, tokens }) => cache.tokens[0] ?? (tokens[0] as number));
}

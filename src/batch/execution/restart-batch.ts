import type { Batch } from '../batch-types.js';
import type { ResultsRepository } from '../store/results.repository.js';
import type { StagesRepository } from '../store/stages.repository.js';
import { Slices } from './slices.js';
import type { StageLease } from './stage-lease.js';

/** Results removed at a time. */
const PIECE = 1000;

/** Begins a batch anew: its input isn't what it was made of any more. What was answered is for nothing, and goes. @throws StageLost */
export async function restartBatch(
  stages: StagesRepository,
  results: ResultsRepository,
  { seq }: Pick<Batch, 'seq'>,
  stage: StageLease,
  version: string,
): Promise<void> {
  const slices = new Slices();
  while ((await results.purge(seq, PIECE)) > 0) {
    stage.check(await stages.renewStage(seq, stage.lease));
    await slices.yield();
  }
  await stages.restart(seq, stage.owner, version);
}

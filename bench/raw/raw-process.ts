/** The process of the raw ceiling: holds the session, runs what it is asked. */
import { availableParallelism } from 'node:os';
import { answerRequests } from '../support/bare-process.js';
import { summarizeWaves, type BareFigures, type BareJob, type Wave } from './bare-figures.js';
import { openRawModel, type RawModel } from './raw-model.js';
import { runRawLoop } from './raw-loop.js';

export type RawRequest =
  | { readonly type: 'open'; readonly folder: string; readonly cacheTokens: number }
  /** The jobs one after another. */
  | { readonly type: 'run'; readonly jobs: readonly BareJob[] };

/** Of `open`: undefined. */
export type RawResult = BareFigures | undefined;

function createHandler(): (request: RawRequest) => Promise<RawResult> {
  let model: RawModel | undefined;
  return async (request) => {
    switch (request.type) {
      case 'open':
        model = await openRawModel(request.folder, availableParallelism(), request.cacheTokens);
        return undefined;
      case 'run': {
        if (!model) throw new Error('no model is open');
        const waves: Wave[] = [];
        for (const job of request.jobs) waves.push(await runRawLoop(model, job));
        return summarizeWaves(waves);
      }
      default:
        return request satisfies never;
    }
  };
}

answerRequests(createHandler());

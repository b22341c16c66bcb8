/** The process in which decode steps are timed: holds the session, runs what it is asked. */
import { availableParallelism } from 'node:os';
import { openRawModel } from '../raw/raw-model.js';
import { answerRequests } from '../support/bare-process.js';
import { StepTimer, type Scenario, type StepCost } from './step-timer.js';

export type StepsRequest =
  | {
      readonly type: 'open';
      readonly folder: string;
      readonly cacheTokens: number;
      readonly steps: number;
    }
  | { readonly type: 'growing'; readonly rows: number; readonly lengths: readonly number[] }
  | { readonly type: 'scenario'; readonly scenario: Scenario };

/** Of `open`: none. */
export type StepsResult = readonly StepCost[];

function createHandler(): (request: StepsRequest) => Promise<StepsResult> {
  let timer: StepTimer<unknown> | undefined;
  return async (request) => {
    if (request.type === 'open') {
      const model = await openRawModel(request.folder, availableParallelism(), request.cacheTokens);
      timer = new StepTimer(model, request.steps);
      return [];
    }
    if (!timer) throw new Error('no model is open');
    switch (request.type) {
      case 'growing':
        return timer.timeGrowing(request.rows, request.lengths);
      case 'scenario':
        return [await timer.timeScenario(request.scenario)];
      default:
        return request satisfies never;
    }
  };
}

answerRequests(createHandler());

import type { Outcome } from '../engine/client/generation-stream.js';
import type { CallKind } from '../engine/encoder-types.js';
import type { FinishReason } from '../engine/types.js';

/** A request that was answered whole, when its consumer had the end of it. */
export interface ServedRequest {
  readonly model: string;
  readonly kind: 'generate' | CallKind;
  /** A call always comes to its end: `stop`. */
  readonly finishReason: FinishReason;
  /** 0 where tokens are the answer, not the input of the model: `tokenize` and `detokenize`. */
  readonly promptTokens: number;
  readonly completionTokens: number;
}

export type ServedListener = (served: ServedRequest) => void;

export function servedRequest(model: string, outcome: Outcome): ServedRequest {
  if (outcome.type === 'finish') {
    const { finishReason, usage } = outcome;
    const { promptTokens, completionTokens } = usage;
    return { model, kind: 'generate', finishReason, promptTokens, completionTokens };
  }
  const { result } = outcome;
  const promptTokens = 'promptTokens' in result ? result.promptTokens : 0;
  return { model, kind: result.kind, finishReason: 'stop', promptTokens, completionTokens: 0 };
}

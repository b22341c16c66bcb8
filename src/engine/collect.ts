import { ResidentError } from './errors.js';
import type { FinishReason, GenerationEvent, Usage } from './types.js';

export interface Generation {
  readonly text: string;
  readonly finishReason: FinishReason;
  readonly instanceId: string;
  readonly usage: Usage;
}

/** Waits for the whole text of one generation. */
export async function collect(events: AsyncIterable<GenerationEvent>): Promise<Generation> {
  let text = '';
  let instanceId = '';
  for await (const event of events) {
    switch (event.type) {
      case 'start':
        instanceId = event.instanceId;
        break;
      case 'token':
        text += event.text;
        break;
      case 'finish':
        return { text: text + event.text, finishReason: event.finishReason, instanceId, usage: event.usage };
      default:
        event satisfies never;
    }
  }
  throw new ResidentError('internal_error', 'The generation ended without a finish reason.');
}

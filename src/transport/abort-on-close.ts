import { setMaxListeners } from 'node:events';
import type { Response } from 'express';

/** A signal that aborts when the client goes away before its answer is complete. */
export function abortOnClose(response: Response): AbortSignal {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal); // one per prompt of the request
  const onClose = (): void => {
    if (!response.writableFinished) controller.abort();
  };
  if (response.destroyed) controller.abort();
  else response.once('close', onClose);
  return controller.signal;
}

/** Whoever executes batches: told that there is something to do, so that it needn't wait until it looks again. */
export abstract class BatchWaker {
  abstract wake(): void;
}

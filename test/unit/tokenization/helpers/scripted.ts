import type { EncodingJob } from '../../../../src/engine/tokenization/protocol.js';

/** What a thread that runs scripted-thread.ts is made of, and the end of its waiting. */
export function scriptedThread() {
  const definition = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  return {
    options: { definition, entry: new URL('./scripted-thread.ts', import.meta.url) },
    goOn: (): void => {
      const flag = new Int32Array(definition);
      Atomics.store(flag, 0, 1);
      Atomics.notify(flag, 0);
    },
  };
}

export function textJob(text: string): EncodingJob {
  return { kind: 'text', text, special: true };
}

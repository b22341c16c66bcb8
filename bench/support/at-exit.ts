const undoings = new Set<() => void>();
let listening = false;

/** What a shell reports for a process that each of them ended. */
const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Runs `undo` when this process ends, however it ends short of SIGKILL. It must be synchronous: nothing is awaited then.
 * @returns takes it back
 */
export function atExit(undo: () => void): () => void {
  listen();
  undoings.add(undo);
  return () => undoings.delete(undo);
}

function listen(): void {
  if (listening) return;
  listening = true;
  for (const [signal, code] of Object.entries(SIGNALS)) process.once(signal, () => process.exit(code));
  process.once('exit', () => {
    // the latest first: a server goes before the folder it writes to
    for (const undo of [...undoings].toReversed()) undo();
  });
}

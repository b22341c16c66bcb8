/** Last words on stderr, where the server reads them, and the end: whoever started this process starts another one. */
export function endProcess(reason: string): void {
  process.stderr.write(`${reason}\n`);
  process.exit(1);
}

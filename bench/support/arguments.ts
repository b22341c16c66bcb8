/**
 * Reads a list of known names, `a,b`.
 * @throws Error naming the option and what there is
 */
export function chooseAmong<T extends string>(option: string, text: string, known: readonly T[]): T[] {
  return text.split(',').map((name) => {
    const found = known.find((one) => one === name);
    if (found === undefined) throw new Error(`--${option}: '${name}' is none of ${known.join(', ')}`);
    return found;
  });
}

/** @throws Error naming the option */
export function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new Error(`--${option}: '${text}' is not a whole number above 0`);
  return value;
}

/** The command that does the same again. */
export function commandLine(script: string, args: readonly string[]): string {
  return [`npm run ${script}`, ...(args.length > 0 ? ['--', ...args] : [])].join(' ');
}

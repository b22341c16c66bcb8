/** What macOS can give without swapping: nothing is in these, or what is can be read again. */
const AVAILABLE = ['free', 'inactive', 'speculative'] as const;

/**
 * Bytes of memory that are to be had, from what `vm_stat` prints. `os.freemem()` counts the free pages alone on a Mac, of which there are
 * never many: the system fills them with files.
 * @returns undefined: that isn't its output
 */
export function availableOnMac(vmStat: string | undefined): number | undefined {
  const pageBytes = /page size of (\d+) bytes/.exec(vmStat ?? '')?.[1];
  if (vmStat === undefined || pageBytes === undefined) return undefined;
  let pages = 0;
  for (const name of AVAILABLE)
    pages += Number(new RegExp(`^Pages ${name}: +(\\d+)\\.$`, 'm').exec(vmStat)?.[1] ?? 0);
  return pages > 0 ? pages * Number(pageBytes) : undefined;
}

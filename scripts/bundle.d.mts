export interface BundleOptions {
  /** Source maps lead to where the maps of `dist` lead; those of packages are left out. Default: none. */
  readonly sourceMaps?: boolean;
}

/**
 * Puts programs and everything that they import into one folder of few files: Node reads, resolves and links hundreds of small ones
 * for longer than their code takes to run.
 * @param entries compiled programs; each keeps its name
 * @param folder two levels below the root of the package, as the folders of `dist` are: paths are relative to them. What is in it and
 * isn't replaced stays: a program that runs may still import it
 * @returns the names of its files
 */
export function bundle(
  entries: readonly string[],
  folder: string,
  options?: BundleOptions,
): Promise<string[]>;

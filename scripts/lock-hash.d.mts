/** @param root folder of package-lock.json */
export function lockHash(root: string): string;

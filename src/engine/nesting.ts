/**
 * Levels of objects and lists, one in another, that a value may have. What is sent to the engine is read there with recursion:
 * with some 1,500 levels the stack of that process overflows, and it ends.
 */
export const MOST_LEVELS = 100;

/** Without recursion: that is what it is there to make safe. */
export function isTooDeep(value: unknown): boolean {
  let level: unknown[] = [value];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > MOST_LEVELS) return true;
    level = level.flatMap((one) => (typeof one === 'object' && one !== null ? Object.values(one) : []));
  }
  return false;
}

/** What a timer can wait for at most, in milliseconds. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Runs an action, and keeps the event loop from ending meanwhile. What an answer may wait for doesn't: threads for long prompts, and
 * connections in memory. Lambda takes a loop that ends for the end of the invocation, and Node.js for the end of the program.
 */
export async function keepAwake<T>(action: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => undefined, LONGEST_MS);
  try {
    return await action();
  } finally {
    clearInterval(timer);
  }
}

/** What keeps the application from starting, in a sentence that says what to do: told without a stack. */
export class StartError extends Error {
  override readonly name: string = 'StartError';
}

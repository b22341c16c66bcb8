/** The program. Nothing heavy is imported before it can be told to stop. */
const stopEarly = (): void => process.exit(0);
process.once('SIGTERM', stopEarly);
process.once('SIGINT', stopEarly);

const { serve } = await import('./serve.js');

await serve(() => {
  process.removeListener('SIGTERM', stopEarly);
  process.removeListener('SIGINT', stopEarly);
});

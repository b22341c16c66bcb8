/** Before the first test: what chaos starts and kills is the built program. */
export async function setup(): Promise<void> {
  // @ts-expect-error plain JavaScript, run for its effect
  await import('../../scripts/ensure-built.mjs');
}

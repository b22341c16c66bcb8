import type { Scheduled } from './scheduled.js';

/**
 * Who gives up its cache when a running sequence needs a block and there is none: parked before running, background before
 * interactive, the newest first. May be the one that needs it, also if it holds nothing yet: else it would take from those it
 * comes after. A pure function.
 */
export function chooseVictim<T extends Scheduled>(sequences: Iterable<T>, needing: T): T {
  let victim = needing;
  for (const sequence of sequences) {
    if (sequence.blocks > 0 && goesBefore(sequence, victim)) victim = sequence;
  }
  return victim;
}

function goesBefore(a: Scheduled, b: Scheduled): boolean {
  if (a.running !== b.running) return !a.running;
  if (a.priority !== b.priority) return a.priority === 'background';
  return a.id > b.id;
}

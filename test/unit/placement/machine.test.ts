import { describe, expect, it } from 'vitest';
import { askProgram } from '../../../src/engine/placement/ask-program.js';
import { availableOnMac } from '../../../src/engine/placement/mac-memory.js';

describe('a program of the system', () => {
  it('is told from one that fails, or is not there', () => {
    expect(askProgram('sh', ['-c', 'echo 42'])).toBe('42\n');
    expect(askProgram('sh', ['-c', 'echo 42; exit 9'])).toBeUndefined();
    expect(askProgram('no-such-program')).toBeUndefined();
  });

  it('that does not come back is killed, though it ignores signals that it can', () => {
    const deaf = "trap '' TERM INT HUP; for i in 1 2 3 4 5 6 7 8; do sleep 0.1; done; exit 0";
    expect(askProgram('sh', ['-c', deaf], 50)).toBeUndefined();
  });
});

describe('memory of a Mac', () => {
  it('is what is free, and what can be given up without being written', () => {
    const pages =
      'Pages free:  1000.\nPages active:  9000.\nPages inactive:  500.\nPages speculative:  20.\nPages wired down: 7.\n';
    const printed = `Mach Virtual Memory Statistics: (page size of 16384 bytes)\n${pages}`;
    expect(availableOnMac(printed)).toBe(1520 * 16384);
  });

  it.each([undefined, '', 'vm_stat: no such thing', 'page size of 4096 bytes'])(
    'is unknown from %j',
    (text) => {
      expect(availableOnMac(text)).toBeUndefined();
    },
  );
});

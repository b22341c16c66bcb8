import { describe, expect, it } from 'vitest';
import { parseStatus, residentBytesOfTree, sumOfTree } from '../../../bench/support/process-tree.js';

describe('the memory of a process tree', () => {
  it('is that of the process and everything under it', () => {
    const processes = [
      { pid: 1, parent: 0, resident: 1000 },
      { pid: 7, parent: 1, resident: 1 },
      { pid: 8, parent: 7, resident: 2 },
      { pid: 9, parent: 8, resident: 4 },
      { pid: 10, parent: 1, resident: 8 },
    ];
    expect(sumOfTree(processes, 7)).toBe(7);
    expect(sumOfTree(processes, 99)).toBe(0);
  });

  it('is read from /proc', () => {
    const text = 'Name:\tnode\nPid:\t42\nPPid:\t7\nVmPeak:\t  900 kB\nVmRSS:\t  123 kB\n';
    expect(parseStatus(text)).toEqual({ pid: 42, parent: 7, resident: 123 * 1024 });
    expect(parseStatus('Pid:\t42\nPPid:\t7\n').resident).toBe(0);
  });

  it('counts this very process', () => {
    expect(residentBytesOfTree(process.pid)).toBeGreaterThan(10e6);
  });
});

import { describe, expect, it } from 'vitest';
import {
  cpuSecondsOfTree,
  parseCpu,
  parsePsTime,
  parseStatus,
  residentBytesOfTree,
  treeOf,
} from '../../../bench/support/process-tree.js';

describe('a process tree', () => {
  it('is the process and everything under it', () => {
    const processes = [
      { pid: 1, parent: 0 },
      { pid: 7, parent: 1 },
      { pid: 8, parent: 7 },
      { pid: 9, parent: 8 },
      { pid: 10, parent: 1 },
    ];
    expect(treeOf(processes, 7).map(({ pid }) => pid)).toEqual([7, 8, 9]);
    expect(treeOf(processes, 99)).toEqual([]);
  });

  it('is read from /proc', () => {
    const text = 'Name:\tnode\nPid:\t42\nPPid:\t7\nVmPeak:\t  900 kB\nVmRSS:\t  123 kB\n';
    expect(parseStatus(text)).toEqual({ pid: 42, parent: 7, resident: 123 * 1024 });
    expect(parseStatus('Pid:\t42\nPPid:\t7\n').resident).toBe(0);
  });

  it('has CPU time, whatever the process is called', () => {
    const rest = '7 1 1 0 -1 4194560 1 0 0 0 250 50 9 9 20 0 11 0 1 2 3';
    expect(parseCpu(`42 (node) S ${rest}`)).toBe(3);
    expect(parseCpu(`42 (a) R 1 (b) S ${rest}`)).toBe(3);
    expect(['0:01.50', '02:03', '1:00:00', '2-00:00:01'].map(parsePsTime)).toEqual([1.5, 123, 3600, 172_801]);
  });

  it('counts this very process', () => {
    expect(residentBytesOfTree(process.pid)).toBeGreaterThan(10e6);
    const { user, system } = process.cpuUsage();
    expect(cpuSecondsOfTree(process.pid)).toBeCloseTo((user + system) / 1e6, 0);
  });
});

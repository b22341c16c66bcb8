import { describe, expect, it } from 'vitest';
import { freeMemory, freeMemoryFor } from '../../../src/engine/placement/free-memory.js';
import { machineOf } from './helpers.js';

const MB = 2 ** 20;
const MEMINFO = {
  'proc/meminfo': `MemTotal: 16384000 kB\nMemFree: 1 kB\nMemAvailable:    ${8000 * 1024} kB\n`,
};

describe('free main memory', () => {
  it('is what the kernel counts as available', () => {
    expect(freeMemory(machineOf(MEMINFO))).toBe(8000 * MB);
  });

  it('is what Node says where there is no such file', () => {
    expect(freeMemory(machineOf({}, { freeMemory: () => 7 * MB }))).toBe(7 * MB);
  });

  it('is what a container (cgroup v2) leaves; files that nobody uses are not counted as used', () => {
    const machine = machineOf({
      ...MEMINFO,
      'proc/self/cgroup': '0::/\n',
      'sys/fs/cgroup/memory.max': `${1000 * MB}\n`,
      'sys/fs/cgroup/memory.current': `${700 * MB}\n`,
      'sys/fs/cgroup/memory.stat': `anon 1\ninactive_file ${200 * MB}\nactive_file 5\n`,
    });
    expect(freeMemory(machine)).toBe(500 * MB);
  });

  it('is the least that any group above leaves', () => {
    const machine = machineOf({
      ...MEMINFO,
      'proc/self/cgroup': '0::/system.slice/resident.service\n',
      'sys/fs/cgroup/system.slice/resident.service/memory.max': 'max\n',
      'sys/fs/cgroup/system.slice/resident.service/memory.current': `${MB}\n`,
      'sys/fs/cgroup/system.slice/memory.max': `${300 * MB}\n`,
      'sys/fs/cgroup/system.slice/memory.current': `${100 * MB}\n`,
      'sys/fs/cgroup/system.slice/memory.stat': 'inactive_file 0\n',
    });
    expect(freeMemory(machine)).toBe(200 * MB);
  });

  it("finds a container's limit at the mount, where the path is the host's", () => {
    const machine = machineOf({
      ...MEMINFO,
      'proc/self/cgroup': '0::/kubepods/pod1/abc\n',
      'sys/fs/cgroup/memory.max': `${400 * MB}\n`,
      'sys/fs/cgroup/memory.current': `${100 * MB}\n`,
    });
    expect(freeMemory(machine)).toBe(300 * MB);
  });

  it('is what a container (cgroup v1) leaves', () => {
    const machine = machineOf({
      ...MEMINFO,
      'proc/self/cgroup': '5:devices:/\n4:cpu,memory:/docker/abc\n0::/\n',
      'sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes': `${600 * MB}\n`,
      'sys/fs/cgroup/memory/docker/abc/memory.usage_in_bytes': `${500 * MB}\n`,
      'sys/fs/cgroup/memory/docker/abc/memory.stat': `inactive_file 7\ntotal_inactive_file ${50 * MB}\n`,
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
      'sys/fs/cgroup/memory/memory.usage_in_bytes': `${9000 * MB}\n`,
    });
    expect(freeMemory(machine)).toBe(150 * MB);
  });

  it('is never less than nothing', () => {
    const machine = machineOf({
      ...MEMINFO,
      'proc/self/cgroup': '0::/\n',
      'sys/fs/cgroup/memory.max': '1000\n',
      'sys/fs/cgroup/memory.current': '2000\n',
    });
    expect(freeMemory(machine)).toBe(0);
  });
});

describe('free video memory', () => {
  it("is what NVIDIA's tool says of the first GPU", () => {
    const machine = machineOf({ ...MEMINFO, 'dev/nvidia0': '' }, { askNvidia: () => '79000\n400\n' });
    expect(freeMemoryFor('webgpu', machine)).toBe(79_000 * MB);
    expect(freeMemoryFor('cpu', machine)).toBe(8000 * MB);
  });

  it('is what the kernel says of an AMD GPU', () => {
    const machine = machineOf({
      'sys/class/drm/card0/device/mem_info_vram_total': `${16_000 * MB}\n`,
      'sys/class/drm/card0/device/mem_info_vram_used': `${6000 * MB}\n`,
    });
    expect(freeMemoryFor('webgpu', machine)).toBe(10_000 * MB);
  });

  it('is unknown where nobody says', () => {
    expect(freeMemoryFor('webgpu', machineOf(MEMINFO))).toBeUndefined();
    for (const said of [undefined, '', '[N/A]\n', '[Insufficient Permissions]\n'])
      expect(
        freeMemoryFor('cuda', machineOf({ 'dev/nvidia0': '' }, { askNvidia: () => said })),
      ).toBeUndefined();
  });

  it("is the machine's memory on a Mac", () => {
    const machine = machineOf({}, { platform: 'darwin', freeMemory: () => 9 * MB });
    expect(freeMemoryFor('webgpu', machine)).toBe(9 * MB);
  });
});

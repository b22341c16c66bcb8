import { dirname, join } from 'node:path';
import type { ConcreteDevice } from '../types.js';
import type { Machine } from './machine.js';
import { namesIn, readText } from './read-text.js';

/**
 * Bytes that a model could take on a device now.
 * @returns undefined where that can't be asked: it isn't checked then
 */
export function freeMemoryFor(device: ConcreteDevice, machine: Machine): number | undefined {
  // a Mac's GPU has the machine's memory
  if (device === 'cpu' || machine.platform === 'darwin') return freeMemory(machine);
  return freeVideoMemory(machine);
}

/** Bytes of main memory that this process could still take: what the machine has free, or less where a container limits it. */
export function freeMemory(machine: Machine): number {
  const available = memAvailable(machine.root) ?? machine.freeMemory();
  return Math.max(0, Math.min(available, ...roomInGroups(machine.root)));
}

/** With what can be had by dropping caches; `os.freemem()` says so only in newer versions of Node. */
function memAvailable(root: string): number | undefined {
  const kib = /^MemAvailable:\s+(\d+) kB$/m.exec(readText(join(root, 'proc/meminfo')) ?? '')?.[1];
  return kib === undefined ? undefined : Number(kib) * 1024;
}

/** How a version of control groups calls things. */
interface GroupFiles {
  readonly mount: string;
  readonly limit: string;
  readonly usage: string;
  /** Of `memory.stat`: pages of files that nobody has used for a while; they go when memory is wanted. */
  readonly inactive: string;
}

const V2: GroupFiles = {
  mount: 'sys/fs/cgroup',
  limit: 'memory.max',
  usage: 'memory.current',
  inactive: 'inactive_file',
};
const V1: GroupFiles = {
  mount: 'sys/fs/cgroup/memory',
  limit: 'memory.limit_in_bytes',
  usage: 'memory.usage_in_bytes',
  inactive: 'total_inactive_file',
};

/** What is left in each control group that this process is in, where there is a limit. */
function roomInGroups(root: string): number[] {
  const lines = (readText(join(root, 'proc/self/cgroup')) ?? '').split('\n');
  return lines.flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (path === undefined) return [];
    if (controllers === '') return roomUpwards(root, V2, path);
    return controllers?.split(',').includes('memory') ? roomUpwards(root, V1, path) : [];
  });
}

/** A limit holds for all groups below it. In a container the path may be the host's, of which only the mount's root is seen. */
function roomUpwards(root: string, files: GroupFiles, path: string): number[] {
  const rooms: number[] = [];
  for (let at = join('/', path); ; at = dirname(at)) {
    const room = roomIn(join(root, files.mount, at), files);
    if (room !== undefined) rooms.push(room);
    if (at === '/') return rooms;
  }
}

function roomIn(folder: string, files: GroupFiles): number | undefined {
  const limit = numberIn(join(folder, files.limit)); // not one where it says `max`
  const usage = numberIn(join(folder, files.usage));
  if (limit === undefined || usage === undefined) return undefined;
  const stat = readText(join(folder, 'memory.stat')) ?? '';
  const inactive = Number(new RegExp(`^${files.inactive} (\\d+)$`, 'm').exec(stat)?.[1] ?? 0);
  return limit - usage + Math.min(inactive, usage);
}

function numberIn(path: string): number | undefined {
  const text = readText(path)?.trim() ?? '';
  return /^\d+$/.test(text) ? Number(text) : undefined;
}

/** Of the first GPU that tells: NVIDIA's through its tool, AMD's through the kernel. */
function freeVideoMemory(machine: Machine): number | undefined {
  const { root } = machine;
  const dri = namesIn(join(root, 'sys/class/drm')).filter((name) => /^card\d+$/.test(name));
  const nvidia = namesIn(join(root, 'dev')).some((name) => /^nvidia\d+$/.test(name));
  const mib = nvidia ? /^\s*(\d+)/.exec(machine.askNvidia() ?? '')?.[1] : undefined;
  if (mib !== undefined) return Number(mib) * 2 ** 20;
  for (const card of dri) {
    const folder = join(root, 'sys/class/drm', card, 'device');
    const total = numberIn(join(folder, 'mem_info_vram_total'));
    const used = numberIn(join(folder, 'mem_info_vram_used'));
    if (total !== undefined && used !== undefined) return total - used;
  }
  return undefined;
}

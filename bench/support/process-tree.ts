import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';

/** A process as the system lists it. */
export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  /** Resident memory, in bytes. */
  readonly resident: number;
}

/** Resident memory of a process and everything it started, in bytes. What they share counts for each. */
export function residentBytesOfTree(root: number): number {
  return sumOfTree(existsSync('/proc/self/status') ? listFromProc() : listFromPs(), root);
}

export function sumOfTree(processes: readonly ProcessEntry[], root: number): number {
  const own = processes.find(({ pid }) => pid === root)?.resident ?? 0;
  const children = processes.filter(({ parent, pid }) => parent === root && pid !== root);
  return children.reduce((total, { pid }) => total + sumOfTree(processes, pid), own);
}

function listFromProc(): ProcessEntry[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        return [parseStatus(readFileSync(`/proc/${name}/status`, 'utf8'))];
      } catch {
        return []; // ended in the meantime
      }
    });
}

/** Reads `/proc/<pid>/status`. A zombie has no VmRSS. */
export function parseStatus(text: string): ProcessEntry {
  const field = (name: string): number =>
    Number(new RegExp(String.raw`^${name}:\s*(\d+)`, 'm').exec(text)?.[1] ?? 0);
  return { pid: field('Pid'), parent: field('PPid'), resident: field('VmRSS') * 1024 };
}

function listFromPs(): ProcessEntry[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,rss='], { encoding: 'utf8' }).trim().split('\n');
  return lines.map((line) => {
    const [pid = 0, parent = 0, kilobytes = 0] = line.trim().split(/\s+/).map(Number);
    return { pid, parent, resident: kilobytes * 1024 };
  });
}

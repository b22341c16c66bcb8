import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { sum } from './statistics.js';

/** A process as the system lists it. */
export interface ProcessEntry {
  readonly pid: number;
  readonly parent: number;
  /** Resident memory, in bytes. */
  readonly resident: number;
  /** CPU time since it began, of all its threads, in seconds. */
  readonly cpu: number;
}

/** Linux counts CPU time in hundredths of a second, whatever its clock does. */
const TICKS_PER_SECOND = 100;

/** Resident memory of a process and everything it started, in bytes. What they share counts for each. */
export function residentBytesOfTree(root: number): number {
  return sum(treeOf(listProcesses(), root).map(({ resident }) => resident));
}

/** CPU time that a process and everything it started have used so far, in seconds; of what ended in between nothing. */
export function cpuSecondsOfTree(root: number): number {
  return sum(treeOf(listProcesses(), root).map(({ cpu }) => cpu));
}

/** The process, what it started, what these started, and so on. */
export function treeOf<Entry extends Pick<ProcessEntry, 'pid' | 'parent'>>(
  processes: readonly Entry[],
  root: number,
): Entry[] {
  const own = processes.filter(({ pid }) => pid === root);
  const children = processes.filter(({ parent, pid }) => parent === root && pid !== root);
  return [...own, ...children.flatMap(({ pid }) => treeOf(processes, pid))];
}

function listProcesses(): ProcessEntry[] {
  return existsSync('/proc/self/status') ? listFromProc() : listFromPs();
}

function listFromProc(): ProcessEntry[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const [status, stat] = ['status', 'stat'].map((file) =>
          readFileSync(`/proc/${name}/${file}`, 'utf8'),
        );
        return [{ ...parseStatus(status as string), cpu: parseCpu(stat as string) }];
      } catch {
        return []; // ended in the meantime
      }
    });
}

/** Reads `/proc/<pid>/status`. A zombie has no VmRSS. */
export function parseStatus(text: string): Omit<ProcessEntry, 'cpu'> {
  const field = (name: string): number =>
    Number(new RegExp(String.raw`^${name}:\s*(\d+)`, 'm').exec(text)?.[1] ?? 0);
  return { pid: field('Pid'), parent: field('PPid'), resident: field('VmRSS') * 1024 };
}

/** Reads the CPU time out of `/proc/<pid>/stat`, in seconds. The name in brackets may hold anything. */
export function parseCpu(text: string): number {
  const afterName = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [user, system] = [afterName[11], afterName[12]];
  return (Number(user) + Number(system)) / TICKS_PER_SECOND;
}

function listFromPs(): ProcessEntry[] {
  const columns = ['-A', '-o', 'pid=,ppid=,rss=,time='];
  const lines = execFileSync('ps', columns, { encoding: 'utf8' }).trim().split('\n');
  return lines.map((line) => {
    const [pid, parent, kilobytes, time = ''] = line.trim().split(/\s+/);
    const resident = Number(kilobytes) * 1024;
    return { pid: Number(pid), parent: Number(parent), resident, cpu: parsePsTime(time) };
  });
}

/** Reads the time that `ps` prints, `[[days-]hours:]minutes:seconds`, as seconds. */
export function parsePsTime(text: string): number {
  const [days, clock] = text.includes('-') ? text.split('-') : ['0', text];
  const parts = (clock as string).split(':').map(Number);
  return Number(days) * 86_400 + parts.reduce((total, part) => total * 60 + part, 0);
}

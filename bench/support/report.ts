import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeMachine } from './machine.js';

const folder = fileURLToPath(new URL('../results', import.meta.url));

export interface Report {
  /** Of the file, `bench/results/<name>.md`. */
  readonly name: string;
  readonly title: string;
  /** What measures it again. */
  readonly command: string;
  readonly intro: string;
  readonly body: string;
  /** When and on what it was measured; default: now and here. */
  readonly measured?: Measured;
}

export interface Measured {
  readonly date: string;
  readonly machine: string;
}

export function measuredHere(): Measured {
  return { date: new Date().toISOString().slice(0, 10), machine: describeMachine() };
}

/** Prints the figures and keeps them, with what they were measured on. */
export function report({ name, title, command, intro, body, measured = measuredHere() }: Report): void {
  const facts = [`- Date: ${measured.date}`, `- Command: \`${command}\``, `- Machine: ${measured.machine}`];
  const text = [`# ${title}`, facts.join('\n'), intro, body].join('\n\n');
  process.stdout.write(`${text}\n`);
  keepResult(`${name}.md`, `${text}\n`);
}

/** Writes a file beside the reports. */
export function keepResult(file: string, content: string): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, file), content);
}

/** Reads a file beside the reports. */
export function readResult(file: string): string {
  return readFileSync(join(folder, file), 'utf8');
}
